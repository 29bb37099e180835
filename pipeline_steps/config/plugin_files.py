"""The config that plugins bring: which files, and their entries among this project's."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.plugins import Plugin, installed
from pipeline_steps.core.registry import did_you_mean

# What a plugin may bring besides papers.
FILES = ("datasets", "generators", "threats", "defenses")

# A file of the config without its suffix, as seen from the folder of the config; a
# plugin's by its whole path, which stays whole behind the `/` of that folder.
File = str
# By section and name of an entry: the plugin's file that holds it.
Origins = dict[tuple[str, str], File]


def files_of_plugins(name: str) -> Iterator[File]:
    """Where plugins have a file of this name."""
    for plugin in installed():
        if (plugin.folder / "config" / f"{name}.yaml").is_file():
            yield str(plugin.folder / "config" / name)


def papers_of_plugins() -> Iterator[File]:
    for plugin in installed():
        for path in sorted((plugin.folder / "config" / "papers").glob("*.yaml")):
            yield str(path.with_suffix(""))


def check_plugins(needed: Iterable[str], where: str) -> None:
    """Refuses config that nothing reads, and the absence of a plugin that is needed."""
    for plugin in installed():
        _check_names(plugin)
    names = [plugin.name for plugin in installed()]
    for name in needed:
        if name not in names:
            raise PipelineError(
                f"{where}: plugins: the plugin '{name}' is not installed; install it, or "
                f"remove it from this list{did_you_mean(name, names)}"
            )


def _check_names(plugin: Plugin) -> None:
    known = [f"{name}.yaml" for name in FILES]
    for path in (plugin.folder / "config").rglob("*.y*ml"):
        inside = path.relative_to(plugin.folder / "config")
        if str(inside) not in known and not inside.match("papers/*.yaml"):
            near = did_you_mean(str(inside), [*known, "papers/NAME.yaml"])
            raise PipelineError(f"{path}: a plugin has no such file of config{near}")


def with_plugins(
    name: str, content: dict[str, Any], read: Callable[[File], dict[str, Any]]
) -> tuple[dict[str, Any], Origins]:
    """The content of a file with the entries of plugins; and where these are from."""
    nested = name == "defenses"
    sections: dict[str, Any] = dict(content) if nested else {name: content}
    origins: Origins = {}
    for file in files_of_plugins(name):
        piece = read(file)
        for section, entries in (piece if nested else {name: piece}).items():
            if section not in sections:
                near = did_you_mean(section, sections)
                raise PipelineError(f"{file}.yaml: unknown key '{section}'{near}")
            if not isinstance(entries, Mapping):
                told = f"{section} should hold names with settings"
                raise PipelineError(f"{file}.yaml: {told}")
            for entry in entries:
                refuse_twice(section, entry, sections[section], file, origins)
                origins[section, entry] = file
            sections[section] = {**sections[section], **entries}
    return (sections if nested else sections[name]), origins


def refuse_twice(
    section: str, entry: str, known: Iterable[str], file: File, origins: Origins
) -> None:
    """A name that stands in two files would mean either."""
    if entry in known:
        first = origins.get((section, entry))
        holder = f"{first}.yaml" if first else "workflow/config"
        raise PipelineError(
            f"{file}.yaml: {entry}: {holder} has a {section[:-1]} of this name; rename "
            "the plugin's"
        )
