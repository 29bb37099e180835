"""Tables of numbers in Parquet, without pandas, which takes long to import.

The files are those that pandas writes, byte for byte: the types, the note that tells
pandas of them, and a missing value where a number is none. Arrays pass as buffers, for
where `pyarrow` converts them itself it imports pandas to ask whose they are.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet

from pipeline_steps.core.arrays import reading

# Columns of one length by their names; words are an array of objects.
Table = dict[str, np.ndarray]

# The release of pandas whose note files carry, whichever one is installed.
NOTED = "3.1.1"


def write_table(path: Path, table: Mapping[str, np.ndarray]) -> None:
    columns = {name: _column(values) for name, values in table.items()}
    whole = pyarrow.Table.from_arrays([*columns.values()], names=[*columns])
    note = json.dumps(_note(columns, table))
    parquet.write_table(whole.replace_schema_metadata({"pandas": note}), path)


def read_table(path: Path, columns: Sequence[str] | None = None) -> Table:
    """All columns, or some."""

    def load(file: Path) -> Table:
        with parquet.ParquetFile(file) as opened:
            whole = opened.read(columns)
        absent = set(columns or ()) - set(whole.column_names)
        if absent:
            raise ValueError(f"it has no column {', '.join(sorted(absent))}")
        names = columns or whole.column_names
        return {name: _values(whole[name].combine_chunks()) for name in names}

    table: Table = reading(path, load)
    return table


def stacked(tables: Sequence[Mapping[str, np.ndarray]]) -> Table:
    """Tables of the same columns, behind one another."""
    return {
        name: np.concatenate([table[name] for table in tables]) for name in tables[0]
    }


def _column(values: np.ndarray) -> pyarrow.Array:
    if values.dtype == object:
        words = [word.encode() for word in values]
        ends = np.cumsum([0, *map(len, words)])
        buffers, kind = [None, ends.astype(np.int64), b"".join(words)], "large_string"
    elif values.dtype == bool:
        buffers, kind = [None, np.packbits(values, bitorder="little")], "bool"
    else:
        values, kind = np.ascontiguousarray(values), str(values.dtype)
        buffers = [None, values]
        if values.dtype.kind == "f" and np.isnan(values).any():
            buffers[0] = np.packbits(~np.isnan(values), bitorder="little")
    return pyarrow.Array.from_buffers(
        pyarrow.type_for_alias(kind),
        len(values),
        [None if buffer is None else pyarrow.py_buffer(buffer) for buffer in buffers],
    )


def _values(column: pyarrow.Array) -> np.ndarray:
    kind, rows = column.type, slice(column.offset, column.offset + len(column))
    if pyarrow.types.is_large_string(kind) or pyarrow.types.is_string(kind):
        return np.array(column.to_pylist(), dtype=object)
    present, held = column.buffers()
    if pyarrow.types.is_boolean(kind):
        return _bits(held, rows)
    values = np.frombuffer(held, kind.to_pandas_dtype())[rows]
    if not column.null_count:
        return values
    return np.where(_bits(present, rows), values, np.nan).astype(values.dtype)


def _bits(buffer: pyarrow.Buffer, rows: slice) -> np.ndarray:
    packed = np.frombuffer(buffer, np.uint8)
    return np.unpackbits(packed, count=rows.stop, bitorder="little")[rows].astype(bool)


def _note(
    columns: Mapping[str, pyarrow.Array], table: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """What pandas is told of the columns when it reads them."""

    def about(name: str) -> dict[str, Any]:
        words = table[name].dtype == object
        return {
            "name": name,
            "field_name": name,
            "pandas_type": "object" if words else str(table[name].dtype),
            "numpy_type": "str" if words else str(table[name].dtype),
            "metadata": None,
        }

    return {
        "index_columns": [],
        "column_indexes": [],
        "columns": [about(name) for name in columns],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pyarrow.__version__},
        "pandas_version": NOTED,
    }
