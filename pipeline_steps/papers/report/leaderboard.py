"""A leaderboard of defenses: accuracy under each threat, and cost."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from statistics import mean

from pipeline_steps.papers.names import Names
from pipeline_steps.papers.report.contents import Contents, Result, Table, cell_anchor
from pipeline_steps.papers.results import Cell
from pipeline_steps.papers.spec import Column

CLEAN = ("clean",)


@dataclass
class Standing:
    """A defense, its accuracy under each threat, and the trainings behind it."""

    defense: str
    """As paths name it."""
    name: str
    papers: list[str] = field(default_factory=list)
    cells: dict[tuple[str, ...], tuple[Cell, str]] = field(default_factory=dict)
    """By threat: a cell that shows it, and the address of its box."""
    models: dict[str, Result] = field(default_factory=dict)
    """By the names of its trainings: one for each seed."""

    @property
    def parameters(self) -> int | None:
        counts = [m.card.metrics.get("parameters") for m in self.models.values()]
        return next((int(count) for count in counts if count), None)

    @property
    def seconds(self) -> float | None:
        """What one training took, on average."""
        timed = [model.seconds for model in self.models.values() if model.record]
        return mean(timed) if timed else None


@dataclass
class Leaderboard:
    """All defenses that were judged on one data set."""

    dataset: str
    name: str
    stands_for: list[str] = field(default_factory=list)
    """The papers' data sets that it stands in for."""
    columns: dict[tuple[str, ...], str] = field(default_factory=dict)
    """The names of threats."""
    standings: dict[str, Standing] = field(default_factory=dict)
    """By defense."""

    @property
    def anchor(self) -> str:
        return f"overview/leaderboard/{self.dataset}"

    @cached_property
    def best(self) -> dict[tuple[str, ...], float]:
        """The highest accuracy under each threat, as it is shown."""
        return {
            threat: max(
                round(s.cells[threat][0].measured or 0.0, 1)
                for s in self.standings.values()
                if threat in s.cells
            )
            for threat in self.columns
        }

    @property
    def papers(self) -> list[str]:
        """Those whose tables show one of its defenses."""
        return sorted({p for s in self.standings.values() for p in s.papers})


def leaderboards(contents: Contents, names: Names) -> list[Leaderboard]:
    """One for each data set that was used, the one with most defenses first."""
    boards: dict[str, Leaderboard] = {}
    for table, column, cell, anchor in _accuracies(contents):
        run = cell.runs[0]
        dataset = run.dataset.partition(".")[0]
        board = boards.setdefault(dataset, Leaderboard(dataset, names.dataset(dataset)))
        for named, used in table.spec.stand_ins.items():
            shown = names.dataset(named)
            if used == dataset and shown not in board.stands_for:
                board.stands_for.append(shown)
        standing = board.standings.setdefault(
            run.defense, Standing(run.defense, names.defense(run.defense))
        )
        if table.spec.paper not in standing.papers:
            standing.papers.append(table.spec.paper)
        threat = _threat(column)
        board.columns.setdefault(threat, _name(column, names))
        standing.cells.setdefault(threat, (cell, anchor))
        for verdict in contents.behind_cell(table, cell):
            if model := contents.model(verdict):
                standing.models[model.name] = model
    for board in boards.values():
        # Unattacked images come first, whatever table happened to be read first.
        board.columns = dict(sorted(board.columns.items(), key=lambda c: c[0] != CLEAN))
    return sorted(boards.values(), key=lambda board: -len(board.standings))


def _accuracies(contents: Contents) -> Iterator[tuple[Table, Column, Cell, str]]:
    """Every measured accuracy of a defense, with its column and its box."""
    for table in contents.tables:
        for i, row in enumerate(table.rows, 1):
            columns = zip(
                table.spec.columns, row[: len(table.spec.columns)], strict=True
            )
            for j, (column, cell) in enumerate(columns, 1):
                if cell.kind == "accuracy" and cell.measured is not None and cell.runs:
                    yield table, column, cell, cell_anchor(table.anchor, i, j)


def _threat(column: Column) -> tuple[str, ...]:
    return (*column.threats, *(["corrupted"] if column.corruptions else []))


def _name(column: Column, names: Names) -> str:
    if column.corruptions:
        return f"{len(column.corruptions)} corruptions"
    shown = [names.threat(threat) for threat in column.threats]
    return shown[0] if len(shown) == 1 else f"worst of {', '.join(shown)}"
