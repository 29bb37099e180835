"""Toy plugins, laid out file by file where Python finds what is installed."""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core import digest, plugins, registry
from pipeline_steps.core.settings import settings_of

RIPPLE = '''"""Ripples."""

from dataclasses import dataclass

from pipeline_steps.core.settings import Amount
from pipeline_steps.threats.perturbation import Perturbation


@dataclass(frozen=True)
class Ripple(Perturbation):
    """A ripple."""

    epsilon: Amount
    step_size: Amount
'''


class Environment:
    """An environment of Python, and what a test installs there."""

    def __init__(self, site: Path) -> None:
        self.site = site

    def install(
        self,
        files: Mapping[str, str],
        package: str = "toy_plugin",
        name: str = "toy",
        distribution: str = "toy-plugin",
    ) -> Path:
        """Writes a plugin's package and its entry point, as pip would; its folder."""
        folder = self.site.joinpath(*package.split("."))
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        facts = self.site / f"{distribution.replace('-', '_')}-0.1.dist-info"
        facts.mkdir(parents=True)
        head = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n"
        (facts / "METADATA").write_text(head)
        point = f"[robust_papers.plugins]\n{name} = {package}\n"
        (facts / "entry_points.txt").write_text(point)
        self.forget()
        return folder

    @staticmethod
    def forget() -> None:
        """What was read of an environment before is read again."""
        importlib.invalidate_caches()
        for cached in (
            *(plugins.installed, plugins.roots),
            *(
                registry._source,
                registry.words,
                registry.own_words,
                registry.parameters,
            ),
            *(digest._code, digest._module, digest._path, settings_of, load_config),
        ):
            cached.cache_clear()


@pytest.fixture
def environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Environment]:
    """An environment to which plugins can be added; no other test sees them."""
    environment = Environment(tmp_path / "site")
    environment.site.mkdir()
    monkeypatch.syspath_prepend(environment.site)
    yield environment
    monkeypatch.undo()
    environment.forget()
