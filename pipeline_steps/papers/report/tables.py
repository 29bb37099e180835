"""A table for templates: cells with the letters of the notes below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from pipeline_steps.papers import wording
from pipeline_steps.papers.names import PLAIN, Names
from pipeline_steps.papers.results import Cell
from pipeline_steps.papers.spec import Column, Missing, Row, TableSpec
from pipeline_steps.papers.wording import Footnotes


@dataclass(frozen=True)
class Below:
    """The notes below a table, by kind, each with its letter."""

    flags: Footnotes = field(default_factory=lambda: Footnotes("123456789"))
    """Why a measured number is suspect."""
    doubts: Footnotes = field(
        default_factory=lambda: Footnotes("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    )
    """Doubts about a printed number."""
    notes: Footnotes = field(default_factory=Footnotes)
    """Everything else."""
    tells_lost: bool = True
    """Whether it marks printed numbers that the extracted text lost."""

    @classmethod
    def together(cls, notes: Footnotes) -> "Below":
        """All kinds in one row of letters, as beneath a picture."""
        return cls(notes, notes, notes, tells_lost=False)


@dataclass
class CellView:
    """A cell, and the letters beside its numbers."""

    cell: Cell
    place: tuple[int, int]
    """Its row and its column, counted from 1."""
    flags: list[str]
    doubts: list[str]
    why: list[str] = field(default_factory=list)
    """Why it was not run, where neither its row nor its column says so."""

    @property
    def is_blank(self) -> bool:
        """Whether nothing was measured, for nothing is printed."""
        missing = self.cell.not_run
        return missing is None or missing.kind is Missing.NOT_PRINTED


@dataclass
class HeadView:
    """The name of a row or a column, and the signs beside it."""

    name: str
    part: str
    doubts: list[str]
    notes: list[str]

    @property
    def label(self) -> str:
        return f"{self.part}: {self.name}" if self.part else self.name


@dataclass
class RowView:
    """A row with its cells."""

    head: HeadView
    cells: list[CellView]

    @property
    def beside(self) -> list[tuple[str, ...]]:
        """The small print of the row's cells, line by line."""
        small = [
            wording.beside(cell, cell.interval, 1) if cell.interval else []
            for cell in (view.cell for view in self.cells)
        ]
        return [*zip_longest(*small, fillvalue="")]


@dataclass
class TableView:
    """A published table, and what was measured beside it."""

    spec: TableSpec
    columns: list[HeadView]
    rows: list[RowView]
    below: Below

    @property
    def cells(self) -> list[list[Cell]]:
        return [[view.cell for view in row.cells] for row in self.rows]

    @property
    def anchor(self) -> str:
        return f"{self.spec.paper}/{self.spec.table}"

    @property
    def parts(self) -> list[tuple[str, int]]:
        """The headings over groups of columns, each with its width."""
        spans: list[tuple[str, int]] = []
        for i, column in enumerate(self.columns):
            # An average belongs to no part, not even to one without a name.
            last = i >= len(self.spec.columns)
            if spans and spans[-1][0] == column.part and not last:
                spans[-1] = (column.part, spans[-1][1] + 1)
            else:
                spans.append((column.part, 1))
        return spans if any(part for part, _ in spans) else []


def table_view(
    spec: TableSpec,
    rows: Sequence[Sequence[Cell]],
    below: Below | None = None,
    names: Names = PLAIN,
) -> TableView:
    """A table with the letters of all its notes, in reading order.

    Why cells were not run comes last, because a picture of the table leaves it out.
    """
    below = below or Below()
    columns = [_head(column, below) for column in spec.columns]
    if spec.average:
        columns.append(HeadView(spec.average, "", [], []))
    shown = [
        RowView(
            _head(row, below),
            [*_cells(i, line, below, names)],
        )
        for i, (row, line) in enumerate(zip(spec.rows, rows, strict=True), 1)
    ]
    for view in (cell for row in shown for cell in row.cells):
        missing = view.cell.not_run
        if missing and not view.is_blank and not missing.is_shared:
            reason = f"Not run: {wording.not_run(view.cell)}."
            view.why = below.notes.marks(reason)
    return TableView(spec, columns, shown, below)


def _head(part: Row | Column, below: Below) -> HeadView:
    notes = below.notes.marks(*wording.notes(part))
    doubts = below.doubts.marks(*wording.printed_doubts(part))
    return HeadView(part.name, part.part or "", doubts, notes)


def _cells(
    i: int, line: Sequence[Cell], below: Below, names: Names
) -> Iterator[CellView]:
    for j, cell in enumerate(line, 1):
        flags = (f"Red flag: {wording.flag(raised, names)}." for raised in cell.flags)
        doubts = [f"The {clause}." for clause in wording.contradicted(cell)]
        if below.tells_lost:
            doubts += [f"The {clause}." for clause in wording.lost(cell)]
        yield CellView(
            cell, (i, j), below.flags.marks(*flags), below.doubts.marks(*doubts)
        )
