"""Tables on disk: what was written is read, and what is no table is refused."""

import numpy as np
import pytest

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.tables import read_table, stacked, write_table

WORDS = ["square", "none", "größer", "none", "", "apgd", "none", "fab", "none", "x"]


def columns(rows: int = 10) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    kinds = (np.int16, np.int32, np.float32, np.float64)
    return {
        "image": np.arange(5, 5 + rows),
        **{np.dtype(k).name: (100 * draw.normal(size=rows)).astype(k) for k in kinds},
        "correct": draw.random(rows) < 0.5,
        "broken_by": np.array(WORDS[:rows], dtype=object),
    }


def undecided() -> dict[str, np.ndarray]:
    """A network that answers with no number has no margin."""
    table = columns()
    table["float32"][[1, 4]] = np.nan
    return table


@pytest.mark.parametrize("rows", [0, 1, 10])
def test_what_was_written_is_read(tmp_path, rows):
    table = columns(rows)
    write_table(tmp_path / "a.parquet", table)
    back = read_table(tmp_path / "a.parquet")
    assert list(back) == list(table)
    for name, values in table.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)
    some = read_table(tmp_path / "a.parquet", ["correct", "image"])
    assert list(some) == ["correct", "image"]


def test_a_missing_number_is_none_when_it_is_read(tmp_path):
    write_table(tmp_path / "a.parquet", undecided())
    margins = read_table(tmp_path / "a.parquet")["float32"]
    assert np.flatnonzero(np.isnan(margins)).tolist() == [1, 4]


def test_tables_are_joined_row_by_row():
    parts = [
        {k: v[rows] for k, v in columns().items()} for rows in (np.s_[:3], np.s_[3:])
    ]
    for name, values in stacked(parts).items():
        np.testing.assert_array_equal(values, columns()[name])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "is missing"), (b"no table", "is damaged or of another format")],
    ids=["missing", "damaged"],
)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "a.parquet"
    if content:
        path.write_bytes(content)
    with pytest.raises(PipelineError, match=sentence):
        read_table(path)


def test_a_table_without_a_column_is_refused_by_its_name(tmp_path):
    write_table(tmp_path / "a.parquet", {"image": np.arange(3)})
    with pytest.raises(PipelineError, match="no column correct"):
        read_table(tmp_path / "a.parquet", ["image", "correct"])
