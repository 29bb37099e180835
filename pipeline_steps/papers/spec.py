"""What a job must know of a table or a figure."""

from typing import Literal

from pydantic import Field

from pipeline_steps.core.settings import Entry, Settings

NOT_PRINTED = "the paper prints no number here"


class Column(Settings):
    """A column of a published table, and the threat behind it."""

    name: str
    """As printed."""
    part: str | None = None
    """What is printed over it and its neighbours."""
    threat: str | None = None
    """The threat under which its numbers are measured."""
    worst_of: list[str] = Field(default_factory=list)
    """In a threat's place: several, all of which an image must withstand."""
    not_run: str | None = None
    """Why nothing stands behind this column."""
    calibrated: bool = False
    """Whether the paper leaves the threat's strength open, so that ours is a choice."""
    note: str | None = None
    """What else is to be said of it."""

    @property
    def label(self) -> str:
        return f"{self.part}: {self.name}" if self.part else self.name

    @property
    def threats(self) -> list[str]:
        return [self.threat] if self.threat else self.worst_of


class Row(Settings):
    """A row of a published table, and the defense behind it."""

    name: str
    """As printed."""
    part: str | None = None
    """What is printed over it and its neighbours."""
    dataset: str | None = None
    """Its data set, where it is another than the table's."""
    defense: str | None = None
    """The defense whose numbers it shows."""
    difference: list[str] = Field(default_factory=list, max_length=2)
    """In a defense's place: two rows by name, of which it is the first less the second."""
    not_run: str | None = None
    """Why nothing stands behind this row."""
    published: list[float | None]
    """The printed numbers, in the order of the columns; where there is none, `null`."""
    published_average: float | None = None
    """The printed mean of the row."""
    note: str | None = None
    """What contradicts these numbers elsewhere in the paper."""

    @property
    def label(self) -> str:
        return f"{self.part}: {self.name}" if self.part else self.name

    @property
    def printed(self) -> bool:
        """Whether it is the paper's, and no row that a user has added."""
        return any(number is not None for number in self.published)


class Run(Settings):
    """One defense, trained from one seed, under one threat: a file of verdicts."""

    dataset: str
    defense: str
    threat: str
    seed: int


class TableSpec(Settings):
    """A published table, and the verdicts that stand behind its cells."""

    paper: str
    table: str
    title: str
    scale: str
    scale_title: str
    dataset: str
    """As the paper names it; a row may name another."""
    stand_ins: dict[str, str]
    """What was really used in place of a data set that the paper names."""
    average: str | None
    columns: list[Column]
    rows: list[Row]
    runs: list[Run]
    """One for each input file of verdicts, in the same order."""

    def used(self, row: Row) -> str:
        """The data set that a row was really measured on."""
        named = row.dataset or self.dataset
        return self.stand_ins.get(named, named)

    def not_run(self, row: Row, place: int) -> str | None:
        """Why a row's cell in this column is not measured, if it is not."""
        if row.printed and row.published[place] is None:
            return NOT_PRINTED
        others = (other for other in self.rows if other.name in row.difference)
        reasons = [row.not_run, self.columns[place].not_run]
        reasons += [self.not_run(other, place) for other in others]
        return next(filter(None, reasons), None)


class Panel(Settings):
    """One thing that a figure shows, and the file behind it."""

    label: str
    """What stands beside it."""
    what: Literal["curve", "examples", "verdicts", "manifold", "distances"]
    """Accuracy over training, edited images, verdicts, a generator's reconstructions, or
    how far these lie off."""
    defense: str | None = None
    """Whose curve or examples."""
    threat: str | None = None
    """Under which threat."""
    manifold: str | None = None
    """The generator whose manifold it is."""


class FigureSpec(Settings):
    """A figure: its kind, its panels, and one input file for each panel."""

    paper: str
    name: str
    title: str
    scale: str
    scale_title: str
    dataset: str
    stands_for: str
    figure: Entry
    panels: list[Panel]


class OverviewSpec(Settings):
    """The scale whose jobs are listed."""

    scale: str
    scale_title: str
