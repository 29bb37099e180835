"""What a panel of a figure may show, and where the pipeline keeps it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline_steps.papers.spec import Panel


class Kind(NamedTuple):
    """A kind of result; `{}` is the name of the job that made it."""

    file: str
    card: str
    role: str
    """What the file is called on its card."""

    @property
    def family(self) -> str:
        """The folder that such results lie in."""
        return self.file.partition("/")[0]

    @property
    def on_manifold(self) -> bool:
        """Whether it is of a generator's manifold, not of a defense under a threat."""
        return self.family == "manifolds"


def _kind(family: str, suffix: str, role: str, split: str = "") -> Kind:
    return Kind(f"{family}/{{}}{split}.{suffix}", f"{family}/{{}}{split}", role)


KINDS = {
    "curve": _kind("curves", "parquet", "curve"),
    "examples": _kind("verdicts", "examples.safetensors", "examples"),
    "cam": _kind("explanations", "safetensors", "maps"),
    "verdicts": _kind("verdicts", "parquet", "verdicts"),
    "manifold": _kind("manifolds", "pictures.safetensors", "pictures", "/test"),
    "distances": _kind("manifolds", "errors.parquet", "errors", "/test"),
}


def by_part(
    panels: Sequence[Panel], files: Sequence[Path]
) -> dict[str | None, list[tuple[Panel, Path]]]:
    """Panels with their files, those together that stand under one heading."""
    parts: dict[str | None, list[tuple[Panel, Path]]] = {}
    for panel, path in zip(panels, files, strict=True):
        parts.setdefault(panel.part, []).append((panel, path))
    return parts
