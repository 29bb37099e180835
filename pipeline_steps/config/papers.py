"""The file of a paper: its tables, figures, calibrations and claims."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from pipeline_steps.config.threats import ThreatConfig, members
from pipeline_steps.core.settings import FigureEntry, Settings, Word
from pipeline_steps.papers.claim import Claim
from pipeline_steps.papers.spec import Candidate, Column, Panel, Row


class Table(Settings):
    """A table of a paper: what it prints, and how each cell is computed."""

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
    """Instead of a threat: several, with the position of each on the horizontal
    axis."""

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
    """The data set that the paper names, if there is one."""
    figure: FigureEntry
    """How it is drawn."""
    panels: list[PanelConfig] = Field(default_factory=list)
    """What it shows, in order."""


class Calibration(Settings):
    """How to choose an attack's setting that the paper doesn't state, and on which
    defenses."""

    title: str
    """What is chosen."""
    dataset: Word
    """The data set that the paper names."""
    families: list[Word] = Field(min_length=1)
    """The threats whose families have the candidate settings."""
    targets: dict[Word, float] = Field(min_length=1)
    """The numbers that the paper prints for these defenses; no other defense is
    considered."""
    frozen: Word
    """The setting that the tables use: the chosen one, or a guess until then."""


def candidates(
    calibration: Calibration, threats: Mapping[str, ThreatConfig]
) -> list[Candidate]:
    """The settings that a calibration chooses from."""
    families = ((name, threats[name]) for name in calibration.families)
    return [member for name, threat in families for member in members(name, threat)]


class Paper(Settings):
    """One paper: its tables, figures, claims and calibrations."""

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
    """Sentences of the paper that numbers can decide."""

    @property
    def pages(self) -> list[str]:
        """All that can be asked for by name."""
        return [*self.tables, *self.figures, *self.calibrations]
