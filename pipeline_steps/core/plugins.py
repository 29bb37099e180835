"""Plugins: installed packages that add classes and config.

An entry point in the group `robust_papers.plugins` names the package. It is read like
this project's own folders, without importing it. What it may contain:
docs/how-to/plugins.md.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True

GROUP = "robust_papers.plugins"


@dataclass(frozen=True)
class Plugin:
    """A package that is installed beside this project."""

    name: str
    """The name of its entry point."""
    package: str
    """The full name of the package with its classes and its config."""
    folder: Path
    """The folder of that package."""
    distribution: str
    """What was installed: `robust-papers-example 0.1`."""

    @property
    def top(self) -> str:
        """The outermost package around its own."""
        return self.package.partition(".")[0]

    @property
    def root(self) -> Path:
        """The folder from which its modules have their full names."""
        return self.folder.parents[self.package.count(".")]


@cache
def installed() -> tuple[Plugin, ...]:
    """All plugins of this environment, sorted by name."""
    plugins: dict[str, Plugin] = {}
    for plugin in map(_plugin, entry_points(group=GROUP)):
        if plugin.name in plugins:
            both = sorted([plugins[plugin.name].distribution, plugin.distribution])
            raise PipelineError(
                f"two plugins are called '{plugin.name}', those of {both[0]} and of "
                f"{both[1]}; uninstall one, or rename its entry point"
            )
        plugins[plugin.name] = plugin
    return tuple(plugins[name] for name in sorted(plugins))


def _plugin(point: EntryPoint) -> Plugin:
    package = point.value.partition(":")[0].strip()
    source = point.dist
    distribution = f"{source.name} {source.version}" if source else "?"
    folder = _folder(package)
    if folder is None:
        raise PipelineError(
            f"the plugin '{point.name}' of {distribution} names {package}, which is "
            "not installed here; install it again, or uninstall it"
        )
    return Plugin(point.name, package, folder, distribution)


def _folder(package: str) -> Path | None:
    """The folder of a package. Finding the outermost package imports nothing."""
    top, *inside = package.split(".")
    spec = importlib.util.find_spec(top) if top else None
    places = (spec and spec.submodule_search_locations) or ()
    folders = (Path(place, *inside) for place in places)
    return next((folder for folder in folders if folder.is_dir()), None)


@cache
def roots() -> Mapping[str, Path]:
    """By the outermost package of each plugin: the folder that holds it."""
    return {plugin.top: plugin.root for plugin in installed()}
