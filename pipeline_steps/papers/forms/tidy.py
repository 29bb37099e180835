"""A table as a tidy file, a line a cell, with what stands behind each."""

from typing import Any

from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.tables import COLUMNS as OF_A_CELL
from pipeline_steps.papers.tables import Cell

COLUMNS = ("scale", *OF_A_CELL)


def tidy(spec: TableSpec, rows: list[list[Cell]]) -> list[dict[str, Any]]:
    return [{"scale": spec.scale, **cell.record()} for row in rows for cell in row]
