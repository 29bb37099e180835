"""A table as a tidy file, a line a cell, with what stands behind each."""

import pandas as pd

from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.tables import COLUMNS, Cell


def tidy(spec: TableSpec, rows: list[list[Cell]]) -> pd.DataFrame:
    lines = [cell.record() for row in rows for cell in row]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    table.insert(0, "scale", spec.scale)
    return table
