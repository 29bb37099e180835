"""A chart of published against measured: the coordinates of its points and lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from pipeline_steps.papers.report.contents import Table, cell_anchor
from pipeline_steps.papers.results import Cell

WIDTH, HEIGHT = 340, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 42
TICKS = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class Point:
    """One number: printed on the x axis, measured on the y axis, with its interval."""

    table: Table
    cell: Cell
    anchor: str
    """The address of the box that says where it comes from."""

    @property
    def x(self) -> float:
        return across(self.cell.published or 0.0)

    @property
    def y(self) -> float:
        return up(self.cell.measured or 0.0)

    @property
    def ends(self) -> tuple[float, float] | None:
        within = self.cell.interval
        return (up(within.low), up(within.high)) if within else None

    @property
    def stands_in(self) -> bool:
        """Whether it was measured on stand-in data."""
        return bool(self.table.spec.stand_ins)


@dataclass(frozen=True)
class Chart:
    """The measured numbers of a paper, without averages and differences."""

    points: list[Point]
    width, height, ticks = WIDTH, HEIGHT, TICKS

    def across(self, percent: float) -> float:
        return across(percent)

    def up(self, percent: float) -> float:
        return up(percent)

    @property
    def differences(self) -> list[float]:
        return [p.cell.difference for p in self.points if p.cell.difference is not None]

    @property
    def middle(self) -> float:
        """The median of measured less printed."""
        return median(self.differences)


def across(percent: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * percent / 100, 1)


def up(percent: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * percent / 100, 1)


def chart(tables: Iterable[Table]) -> Chart:
    return Chart([*_points(tables)])


def _points(tables: Iterable[Table]) -> Iterator[Point]:
    seen = set()
    for table in tables:
        for i, row in enumerate(table.rows, 1):
            for j, cell in enumerate(row, 1):
                if cell.kind != "accuracy" or None in (cell.published, cell.measured):
                    continue
                # A paper may repeat a number in the next table; count it once.
                key = (cell.published, tuple(run.file for run in cell.runs))
                if key not in seen:
                    seen.add(key)
                    yield Point(table, cell, cell_anchor(table.anchor, i, j))
