"""What a panel of a figure may show, and where the pipeline keeps it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline_steps.layout import RULES
from pipeline_steps.papers.spec import Panel


class Kind(NamedTuple):
    """A kind of result: the rule that makes it, and the role of the file that is shown."""

    rule: str
    role: str

    @property
    def on_manifold(self) -> bool:
        """Whether it is of a generator's manifold, not of a defense under a threat."""
        return "generator" in RULES[self.rule].wildcards


KINDS = {
    "curve": Kind("attack_snapshots", "curve"),
    "examples": Kind("attack_defense", "examples"),
    "cam": Kind("explain_defense", "maps"),
    "verdicts": Kind("attack_defense", "verdicts"),
    "manifold": Kind("project_dataset", "pictures"),
    "distances": Kind("project_dataset", "errors"),
}


def by_part(
    panels: Sequence[Panel], files: Sequence[Path]
) -> dict[str | None, list[tuple[Panel, Path]]]:
    """Panels with their files, those together that stand under one heading."""
    parts: dict[str | None, list[tuple[Panel, Path]]] = {}
    for panel, path in zip(panels, files, strict=True):
        parts.setdefault(panel.part, []).append((panel, path))
    return parts
