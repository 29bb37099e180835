"""Tables in Parquet: named columns of equal length.

pandas reads and writes them, and is imported when that happens: at a job's end, not at
its start.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline_steps.core.arrays import reading

# Words are an array of objects.
Table = dict[str, np.ndarray]


def write_table(path: Path, table: Mapping[str, np.ndarray]) -> None:
    import pandas as pd

    pd.DataFrame(dict(table)).to_parquet(path, index=False)


def read_table(path: Path, columns: Sequence[str] | None = None) -> Table:
    """All columns, or some."""
    import pandas as pd

    def load(file: Path) -> Table:
        frame = pd.read_parquet(file)
        absent = sorted({*(columns or ())} - {*frame.columns})
        if absent:
            raise ValueError(f"it has no column {', '.join(absent)}")
        return {name: frame[name].to_numpy() for name in columns or frame.columns}

    table: Table = reading(path, load)
    return table


def stacked(tables: Sequence[Mapping[str, np.ndarray]]) -> Table:
    """Tables with the same columns, concatenated."""
    return {
        name: np.concatenate([table[name] for table in tables]) for name in tables[0]
    }
