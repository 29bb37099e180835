"""What a job must know about a table or a figure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from pipeline_steps.core.settings import Entry, Settings

# Data set, defense and threat: a number before it is told from which seed.
Key = tuple[str, str, str]

# Between a defense and the data set that it was trained on, where another one judges it.
FROM = ".from-"
# Ends the name of a defense that is judged by its best weights instead of its last.
BEST = ".best"

NOT_PRINTED = "the paper prints no number here"

# Keys that few entries have appear only in their specs.
Said = Annotated[str | None, Field(exclude_if=lambda said: said is None)]

# Of a number that the paper prints and our text of it lost: not known, or known from elsewhere.
Lost = Literal["lost", "inferred"]


def judged(defense: str, dataset: str, home: str | None) -> str:
    """A defense on a data set, and where it was trained if that was elsewhere."""
    return f"{defense}{FROM}{home}" if home and home != dataset else defense


def keys(
    dataset: str, defense: str, threats: Sequence[str], corruptions: Sequence[str]
) -> list[Key]:
    """The jobs behind a number: its threats, on each corrupted copy of the images."""
    copies = [f"{dataset}.{name}" for name in corruptions] or [dataset]
    return [(copy, defense, threat) for copy in copies for threat in threats]


class Column(Settings):
    """A column of a published table, and its threat."""

    name: str
    """As printed."""
    part: str | None = None
    """The heading over it and its neighbours."""
    threat: str | None = None
    """The threat under which its numbers are measured."""
    worst_of: list[str] = Field(default_factory=list)
    """Instead of a threat: several, all of which an image must withstand."""
    corruptions: list[str] = Field(default_factory=list)
    """The mean over these corruptions of the test images, at all severities."""
    not_run: str | None = None
    """Why this column can't be computed."""
    ours: bool = False
    """Whether the column is ours: measured, but not printed in the paper."""
    calibrated: bool = False
    """Whether the paper doesn't state the threat's strength, so that ours is a
    choice."""
    doubt: Said = None
    """What speaks against its printed numbers."""
    note: str | None = None
    """Any other remark."""

    @property
    def label(self) -> str:
        return f"{self.part}: {self.name}" if self.part else self.name

    @property
    def threats(self) -> list[str]:
        return [self.threat] if self.threat else self.worst_of


class Row(Settings):
    """A row of a published table, and its defense."""

    name: str
    """As printed."""
    part: str | None = None
    """The heading over it and its neighbours."""
    dataset: str | None = None
    """Its data set, if different from the table's."""
    defense: str | None = None
    """The defense whose numbers it shows."""
    trained_on: str | None = None
    """The data set that it was trained on, if it is evaluated on another."""
    difference: list[str] = Field(default_factory=list, max_length=2)
    """Instead of a defense: the names of two rows; the first minus the second."""
    not_run: str | None = None
    """Why this row can't be computed."""
    published: list[float | None]
    """The printed numbers in the order of the columns; `null` for none."""
    published_average: float | None = None
    """The printed mean of the row."""
    lost: list[str] = Field(default_factory=list)
    """Columns whose printed number is missing in our copy of the text. The number given
    here follows from elsewhere, as the note says, or is `null`; it is measured either
    way."""
    doubt: Said = None
    """What speaks against these numbers: others for the same thing, here or elsewhere,
    or implausible ones."""
    note: str | None = None
    """Any other remark."""

    @property
    def label(self) -> str:
        return f"{self.part}: {self.name}" if self.part else self.name

    @property
    def printed(self) -> bool:
        """Whether it is the paper's, and no row that a user has added."""
        return bool(self.lost) or any(number is not None for number in self.published)

    def lost_in(self, label: str, number: float | None) -> Lost | None:
        """Whether the number in this column was lost, and whether it is known since."""
        if label not in self.lost:
            return None
        return "lost" if number is None else "inferred"


class Missing(StrEnum):
    """What a cell without a measured number lacks."""

    ROW = "row"
    """Its row is not computed."""
    COLUMN = "column"
    """Its column is not computed."""
    OTHER_ROW = "other_row"
    """It is a difference, and one of the rows is not computed."""
    NOT_PRINTED = "not_printed"
    """The paper prints no number there."""
    NO_VERDICTS = "no_verdicts"
    """The verdicts were not given."""
    INCOMPLETE = "incomplete"
    """It is an average, and some columns were not measured."""
    OTHER_IMAGES = "other_images"
    """It is an average, and the columns were measured on different images."""


class NotRun(Settings):
    """Why a cell has no measured number."""

    kind: Missing
    reason: str | None = None
    """The config's own words on a row or a column."""
    measured: int | None = None
    columns: int | None = None
    """For an incomplete row: how many of its columns were measured."""

    @property
    def is_shared(self) -> bool:
        """Whether it holds of the whole row or column, beside whose name it is said."""
        return self.kind in (Missing.ROW, Missing.COLUMN)


class Run(Settings):
    """One defense, trained from one seed, under one threat: a file of verdicts."""

    dataset: str
    defense: str
    threat: str
    seed: int

    @property
    def key(self) -> Key:
        return self.dataset, self.defense, self.threat


class TableSpec(Settings):
    """A published table, and the verdicts from which its cells are computed."""

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

    def judged(self, row: Row) -> str:
        """A row's defense, and where it was trained if that was elsewhere."""
        home = self.stand_ins.get(row.trained_on or "", row.trained_on)
        return judged(row.defense or "", self.used(row), home)

    def behind(self, row: Row, i: int) -> list[Key]:
        """The jobs behind a row's cell in this column, if it is measured."""
        if not row.defense or self.not_run(row, i):
            return []
        column = self.columns[i]
        return keys(
            self.used(row), self.judged(row), column.threats, column.corruptions
        )

    def not_run(self, row: Row, i: int) -> str | None:
        """Why a row's cell in this column is not measured, in words."""
        missing = self.missing(row, i)
        return (missing.reason or NOT_PRINTED) if missing else None

    def missing(self, row: Row, i: int) -> NotRun | None:
        """Why a row's cell in this column is not measured, if it is not."""
        column = self.columns[i]
        measured_all_the_same = column.ours or column.label in row.lost
        if row.printed and row.published[i] is None and not measured_all_the_same:
            return NotRun(kind=Missing.NOT_PRINTED)
        if row.not_run:
            return NotRun(kind=Missing.ROW, reason=row.not_run)
        if column.not_run:
            return NotRun(kind=Missing.COLUMN, reason=column.not_run)
        for other in self.rows:
            if other.name in row.difference and (why := self.missing(other, i)):
                if why.kind is Missing.NOT_PRINTED:
                    return why
                return NotRun(kind=Missing.OTHER_ROW, reason=why.reason)
        return None


class Candidate(Settings):
    """A setting that an attack of unstated strength may have had."""

    threat: str
    """Its name."""
    epsilon: float
    """Its strength."""
    steps: int
    """Its number of steps."""
    targeted: bool
    """Whether it goes towards a wrong class."""


class CalibrationSpec(Settings):
    """The numbers that a paper printed for some defenses, and the settings that may
    explain them."""

    paper: str
    name: str
    title: str
    scale: str
    scale_title: str
    dataset: str
    stands_for: str
    targets: dict[str, float]
    """The printed accuracy of each defense."""
    candidates: list[Candidate]
    frozen: str
    """The candidate that the tables use."""
    runs: list[Run]
    """One for each input file of verdicts, in the same order."""


class Panel(Settings):
    """One thing that a figure shows, and the file behind it."""

    label: str
    """The label beside it."""
    what: Literal["curve", "examples", "cam", "verdicts", "manifold", "distances"]
    """Accuracy over training (`curve`), attacked images (`examples`), these with maps
    of where the defense looks (`cam`), `verdicts`, a generator's reconstructions
    (`manifold`), or their errors (`distances`)."""
    defense: str | None = None
    """Whose curve or examples."""
    threat: str | None = None
    """Under which threat."""
    manifold: str | None = None
    """The generator whose manifold it is."""
    part: str | None = None
    """The heading over it and its neighbours."""
    dataset: str | None = None
    """Its data set, if different from the figure's."""
    at: float | str | None = None
    """Its position on the horizontal axis: a number, or a name."""


class FigureSpec(Settings):
    """A figure: its kind, its panels, and one input file for each panel."""

    paper: str
    name: str
    title: str
    scale: str
    scale_title: str
    dataset: str | None
    """Absent for figures without a data set."""
    stands_for: str | None
    """As the paper names it."""
    stand_ins: dict[str, str] = Field(default_factory=dict)
    """What was really used in place of a data set that a panel names."""
    figure: Entry
    panels: list[Panel]
    threats: dict[str, str] = Field(default_factory=dict)
    """Readers' names for the threats of its panels."""

    def used(self, panel: Panel) -> str:
        """The data set that a panel really shows."""
        named = panel.dataset
        return self.stand_ins.get(named, named) if named else str(self.dataset)
