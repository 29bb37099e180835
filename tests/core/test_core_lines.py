"""Lines of CSV: the bytes that pandas would write, and read back."""

import pandas as pd

from pipeline_steps.core.lines import read_lines, write_lines

LINES = [
    {"name": 'says "so", twice\nover', "epsilon": 0.1, "steps": 20, "used": True},
    {"name": "", "epsilon": 1e-05, "steps": 1, "used": False},
    {"name": "ε", "epsilon": None, "steps": 3, "used": True},
]


def test_lines_have_the_bytes_that_pandas_writes(tmp_path):
    write_lines(tmp_path / "own.csv", list(LINES[0]), LINES)
    pd.DataFrame(LINES).to_csv(tmp_path / "peer.csv", index=False, lineterminator="\n")
    own, peer = (tmp_path / f"{name}.csv" for name in ("own", "peer"))
    assert own.read_bytes() == peer.read_bytes()
    assert read_lines(own)[0]["name"] == LINES[0]["name"]
