"""The report's view model: everything that its templates show, typed."""

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.core.bookings import Booking, bookings
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers import wording
from pipeline_steps.papers.names import Names
from pipeline_steps.papers.report.chart import Chart, chart
from pipeline_steps.papers.report.claims import ClaimGroup, claim_groups
from pipeline_steps.papers.report.contents import (
    Contents,
    Figure,
    Result,
    Table,
    cell_anchor,
)
from pipeline_steps.papers.report.leaderboard import Leaderboard, leaderboards
from pipeline_steps.papers.report.spec import OverviewSpec, Printed, PrintedPaper
from pipeline_steps.papers.report.tables import CellView, TableView, table_view
from pipeline_steps.papers.results import Cell, Outcome
from pipeline_steps.papers.spec import Column, Row
from pipeline_steps.papers.style import LOOK, paper_name

MODELS = ("defenses", "generators")
# The number of longest jobs to list.
MOST = 10
# Screen pixels for each pixel of a picture, for its size in print.
SHOWN = 96 / LOOK["savefig.dpi"]


@dataclass(frozen=True)
class Evidence:
    """One file of verdicts behind a number, and the training behind that."""

    result: Result
    model: Result | None


@dataclass(frozen=True)
class Box:
    """Where a measured number comes from."""

    anchor: str
    table: Table
    view: CellView
    row: Row
    column: Column | None
    """None for the average of the row."""
    evidence: list[Evidence]

    @property
    def cell(self) -> Cell:
        return self.view.cell

    @property
    def title(self) -> str:
        return f"{self.row.label}, {self.cell.column}"

    @property
    def dataset(self) -> tuple[str, str]:
        """The data set that was used, and the one that the paper names."""
        spec = self.table.spec
        return spec.used(self.row), self.row.dataset or spec.dataset

    @property
    def siblings(self) -> list[tuple[str, str]]:
        """The other cells of the row, by name, with the addresses of their boxes."""
        i = self.view.place[0]
        columns = enumerate(self.table.spec.columns, 1)
        return [(c.label, cell_anchor(self.table.anchor, i, j)) for j, c in columns]


@dataclass(frozen=True)
class TableSection:
    """A table of the report, and the boxes that its numbers open."""

    view: TableView
    boxes: list[Box]


@dataclass(frozen=True)
class FigureSection:
    """A figure of the report; the picture is embedded in the page."""

    figure: Figure
    image: str
    size: tuple[int, int]
    shows: str
    """The alt text."""
    panels: list[tuple[str, Path]]
    """The name of each panel, and the card of what it shows."""


@dataclass(frozen=True)
class PaperPage:
    """Everything of one paper."""

    paper: PrintedPaper
    tables: list[TableSection]
    figures: list[FigureSection]
    claims: list[ClaimGroup]
    chart: Chart
    stand_ins: list[str]
    """What was used in place of its data sets, a clause for each."""

    @property
    def name(self) -> str:
        return paper_name(self.paper.paper)

    @property
    def decided(self) -> list[ClaimGroup]:
        return [g for g in self.claims if g.outcome is not Outcome.NOT_RUN]

    @property
    def not_run(self) -> list[ClaimGroup]:
        return [g for g in self.claims if g.outcome is Outcome.NOT_RUN]

    @property
    def claim_count(self) -> int:
        return sum(len(group.claims) for group in self.claims)

    @property
    def not_made(self) -> list[Printed]:
        """What another scale makes, or this one on request."""
        printed = [*self.paper.tables, *self.paper.figures]
        return [page for page in printed if not page.made]

    @property
    def numbers(self) -> int:
        """The number of printed numbers in its tables, without averages."""
        return sum(table.numbers for table in self.paper.tables)

    @property
    def published_only(self) -> int:
        return sum(table.published_only for table in self.paper.tables)

    @property
    def measured(self) -> int:
        """How many of the printed numbers were measured."""
        cells = (cell for t in self.tables for row in t.view.cells for cell in row)
        return sum(
            cell.kind != "average" and None not in (cell.published, cell.measured)
            for cell in cells
        )

    @property
    def left_out(self) -> int:
        """How many of the printed numbers this scale could measure and doesn't."""
        return self.numbers - self.published_only - self.measured


@dataclass(frozen=True)
class Remark:
    """A remark on one number, or on a row or a column."""

    anchor: str
    label: str
    sentence: str


@dataclass(frozen=True)
class Kept:
    """A network's accuracy under one threat."""

    result: Result
    defense: str
    """Several defenses may have the same weights."""
    threat: str
    dataset: str

    @property
    def accuracy(self) -> float:
        return float(self.result.card.metrics["accuracy"])


@dataclass(frozen=True)
class Model:
    """A network that was trained for these pages, and its accuracies."""

    result: Result
    title: str
    dataset: str
    accuracies: list["Kept"]
    """On unattacked images first."""


@dataclass(frozen=True)
class StepCost:
    """The total cost of one step."""

    step: str
    bookings: list[Booking]

    @property
    def seconds(self) -> float:
        return sum(booking.seconds for booking in self.bookings)

    @property
    def longest(self) -> float:
        return max(booking.seconds for booking in self.bookings)

    def peak(self, what: str) -> int:
        return max(int(booking.record.get(what, 0)) for booking in self.bookings)


@dataclass(frozen=True)
class Costs:
    """What computing took, by step, and the results that took longest."""

    results: list[Result]

    @property
    def timed(self) -> list[Result]:
        return [result for result in self.results if result.record]

    @property
    def seconds(self) -> float:
        return sum(result.seconds for result in self.timed)

    @property
    def steps(self) -> list[StepCost]:
        """The longest first."""
        by_step: dict[str, list[Booking]] = {}
        for result in self.timed:
            for booking in bookings(result.card.step, result.record):
                by_step.setdefault(booking.step, []).append(booking)
        costs = (StepCost(step, some) for step, some in by_step.items())
        return sorted(costs, key=lambda cost: -cost.seconds)

    @property
    def longest(self) -> list[Result]:
        return sorted(self.timed, key=lambda r: (-r.seconds, r.name))[:MOST]


@dataclass(frozen=True)
class Report:
    """Everything that the report shows."""

    spec: OverviewSpec
    papers: list[PaperPage]
    leaderboards: list[Leaderboard]
    flags: list[Remark]
    doubts: list[Remark]
    models: list[Model]
    costs: Costs

    @property
    def names(self) -> Names:
        return self.spec.names


def report_view(contents: Contents, spec: OverviewSpec) -> Report:
    """The whole report."""
    return Report(
        spec=spec,
        papers=[_page(contents.of(p.paper), p, spec) for p in spec.papers],
        leaderboards=leaderboards(contents, spec.names),
        flags=[*_flags(contents, spec.names)],
        doubts=[*_doubts(contents)],
        models=[*_models(contents, spec.names)],
        costs=Costs([*contents.results.values()]),
    )


def _page(contents: Contents, paper: PrintedPaper, spec: OverviewSpec) -> PaperPage:
    stand_ins: dict[str, str] = {}
    for table in contents.tables:
        stand_ins |= table.spec.stand_ins
    for figure in contents.figures:
        stand_ins |= figure.stand_ins
    return PaperPage(
        paper=paper,
        tables=[_table(contents, made, spec.names) for made in contents.tables],
        figures=[_figure(made, spec.names) for made in contents.figures],
        claims=claim_groups(contents.claims, spec.names, spec.left_out),
        chart=chart(contents.tables),
        stand_ins=wording.in_place_of(stand_ins, spec.names),
    )


def _table(contents: Contents, made: Table, names: Names) -> TableSection:
    view = table_view(made.spec, made.rows, names=names)
    boxes = [
        _box(contents, made, cell)
        for row in view.rows
        for cell in row.cells
        if cell.cell.measured is not None
    ]
    return TableSection(view, boxes)


def _box(contents: Contents, made: Table, view: CellView) -> Box:
    i, j = view.place
    cards = contents.behind_cell(made, view.cell)
    is_average = j > len(made.spec.columns)
    return Box(
        anchor=cell_anchor(made.anchor, i, j),
        table=made,
        view=view,
        row=made.spec.rows[i - 1],
        column=None if is_average else made.spec.columns[j - 1],
        evidence=[]
        if is_average
        else [Evidence(contents.results[c], contents.model(c)) for c in cards],
    )


def _figure(made: Figure, names: Names) -> FigureSection:
    png = made.png.read_bytes()
    width, height = size_of(png, made.png)
    panels = [panel.label for panel in made.spec.panels]
    threats = dict.fromkeys(
        names.threat(panel.threat) for panel in made.spec.panels if panel.threat
    )
    return FigureSection(
        figure=made,
        image=base64.b64encode(png).decode(),
        size=(round(width * SHOWN), round(height * SHOWN)),
        shows=wording.picture(str(made.spec.figure["figure"]), panels, [*threats]),
        panels=[*zip(panels, made.result.behind("panels"), strict=True)],
    )


def size_of(png: bytes, path: Path) -> tuple[int, int]:
    """Width and height from the header, so that text doesn't jump while it loads."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise PipelineError(f"{path} is not a picture; delete it and build it again")
    return struct.unpack(">II", png[16:24])


def _numbers(contents: Contents) -> Iterator[tuple[str, str, Cell]]:
    """Each cell with the address of its box, or its own, and its name."""
    for table in contents.tables:
        where = f"{paper_name(table.spec.paper)}, {table.spec.title.partition(':')[0]}"
        for i, row in enumerate(table.spec.rows):
            for j, column in enumerate(table.measured.columns):
                anchor = cell_anchor(table.anchor, i + 1, j + 1)
                yield anchor, f"{where}: {row.label}, {column}", table.rows[i][j]


def _flags(contents: Contents, names: Names) -> Iterator[Remark]:
    for anchor, label, cell in _numbers(contents):
        for raised in cell.flags:
            yield Remark(anchor, label, wording.flag(raised, names))


def _doubts(contents: Contents) -> Iterator[Remark]:
    """Doubts about printed numbers, from the config and from their own rows."""
    for table in contents.tables:
        where = f"{paper_name(table.spec.paper)}, {table.spec.title.partition(':')[0]}"
        for part in table.measured.doubted():
            yield Remark(table.anchor, f"{where}: {part.label}", str(part.doubt))
    for anchor, label, cell in _numbers(contents):
        for clause in (*wording.contradicted(cell), *wording.lost(cell)):
            yield Remark(f"{anchor}/cell", label, f"the {clause}")


def _models(contents: Contents, names: Names) -> Iterator[Model]:
    judged: dict[str, list[Result]] = {}
    for path, result in contents.results.items():
        if result.name.startswith("verdicts/") and (model := contents.model(path)):
            judged.setdefault(model.name, []).append(result)
    trained = [r for r in contents.results.values() if _family(r) in MODELS]
    for result in sorted(trained, key=lambda result: result.name):
        family, dataset, label = result.name.split("/", 2)
        title = names.defense if family == "defenses" else names.generator
        of_model = judged.get(result.name, [])
        clean_first = sorted(of_model, key=lambda r: not r.name.endswith("/clean"))
        accuracies = [_kept(verdict, names) for verdict in clean_first]
        yield Model(result, title(label), names.dataset(dataset), accuracies)


def _family(result: Result) -> str:
    return result.name.partition("/")[0]


def _kept(result: Result, names: Names) -> Kept:
    _, dataset, defense, threat = result.name.split("/")
    shown = names.defense(defense), names.threat(threat), names.dataset(dataset)
    return Kept(result, *shown)
