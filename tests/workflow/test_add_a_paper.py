"""docs/tutorials/add-a-paper.md does what it says, word for word, on a finished demo."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from workflow_house import PROJECT, House, blocks, jobs_in

pytestmark = pytest.mark.xdist_group("workflow")

# Nothing is trained or attacked again, for the demo had all of it.
CHEAP = {"make_table", "make_figure", "check_claims", "gather_claims", "make_report"}


def test_the_page_does_what_it_says_word_for_word(house: House) -> None:
    page = (PROJECT / "docs/tutorials/add-a-paper.md").read_text()
    results, ran = house.root / "results/demo", set[str]()
    for file, kind, text in blocks(page):
        if kind == "sh":
            before = _logs(house.root)
            _run(house.root, text)
            ran |= jobs_in("".join(p.read_text() for p in _logs(house.root) - before))
        elif (house.root / file).exists():
            house.edit(file, r"^(pages:.*\n)", rf"\1{text}")
        else:
            (house.root / file).write_text(text)
    mine = {
        "make_table fifth table1",
        "make_figure fifth figure1",
        "check_claims fifth",
    }
    assert mine <= ran
    assert {job.split()[0] for job in ran} <= CHEAP | {"fifth", "all"}
    table = pd.read_csv(results / "papers/fifth/table1.csv")
    assert list(table["published"]) == [99.1, 0.4, 98.2, 76.0]
    assert table["measured"].between(0, 100).all()
    assert (results / "papers/fifth/figure1.png").stat().st_size > 0
    claims = pd.read_csv(results / "claims.csv").set_index("paper")
    assert claims.loc["fifth", "outcome"] in ("holds", "does_not_hold", "inconclusive")
    assert claims.loc["fifth", "trainings"] == 1
    assert claims.loc["fifth", "printed"] == "holds"
    assert "FIFTH" in (results / "claims.html").read_text()


def _logs(root: Path) -> set[Path]:
    """What Snakemake said of its runs, in full."""
    return {*(root / ".snakemake/log").glob("*.log")}


def _run(root: Path, text: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=root,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-3000:]
