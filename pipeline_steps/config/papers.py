"""The file of a paper: its tables, figures, calibrations and claims."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from pipeline_steps.config.threats import ThreatConfig, members
from pipeline_steps.core.settings import FigureEntry, Settings, Word
from pipeline_steps.papers.claim import Claim
from pipeline_steps.papers.spec import Candidate, Column, Panel, Row


class Table(Settings):
    """A table of a paper: what it prints, and what stands behind each cell."""

    title: str
    """Its number and what it shows."""
    dataset: Word
    """The data set that the paper names."""
    average: str | None = None
    """The name of the column of row means, if it has one."""
    columns: list[Column]
    """Its columns, from left to right."""
    rows: list[Row]
    """Its rows, from the top."""


class PanelConfig(Panel):
    """One thing that a figure shows, or a row of them under several threats."""

    along: dict[Word, float | str] = Field(default_factory=dict)
    """In a threat's place: several, with where each stands on the horizontal axis."""

    def spread(self) -> Iterator[Panel]:
        """A panel for each threat."""
        shared = self.model_dump(exclude={"along"})
        for threat, at in self.along.items() or [(self.threat, self.at)]:
            yield Panel(**{**shared, "threat": threat, "at": at})


class FigureConfig(Settings):
    """A figure of a paper, or one of ours that belongs beside it."""

    title: str
    """Its number and what it shows."""
    dataset: Word | None = None
    """The data set that the paper names, if it is of one."""
    figure: FigureEntry
    """How it is drawn."""
    panels: list[PanelConfig] = Field(default_factory=list)
    """What it shows, in order."""


class Calibration(Settings):
    """How the setting of an attack that a paper doesn't state is chosen, and on whom."""

    title: str
    """What is chosen."""
    dataset: Word
    """The data set that the paper names."""
    families: list[Word] = Field(min_length=1)
    """The threats whose families hold the settings to choose from."""
    targets: dict[Word, float] = Field(min_length=1)
    """The numbers that the paper prints for these defenses; no other one is looked at."""
    frozen: Word
    """The setting that the tables use: the one that was chosen, or a guess before that."""


def candidates(
    calibration: Calibration, threats: Mapping[str, ThreatConfig]
) -> list[Candidate]:
    """What a calibration chooses from."""
    families = ((name, threats[name]) for name in calibration.families)
    return [member for name, threat in families for member in members(name, threat)]


class Paper(Settings):
    """One paper: its tables, its figures, its claims, and what it leaves open."""

    title: str
    """As printed."""
    authors: str
    """As printed."""
    tables: dict[Word, Table] = Field(default_factory=dict)
    """By the names of their files."""
    figures: dict[Word, FigureConfig] = Field(default_factory=dict)
    """By the names of their files."""
    calibrations: dict[Word, Calibration] = Field(default_factory=dict)
    """By the names of their files."""
    claims: list[Claim] = Field(default_factory=list)
    """Sentences that numbers decide."""

    @property
    def pages(self) -> list[str]:
        """All that can be asked for by name."""
        return [*self.tables, *self.figures, *self.calibrations]
