"""No table of the papers is missing, and of each it is known how much is computed."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.jobs import counts
from pipeline_steps.jobs.names import origin
from pipeline_steps.jobs.specs import Specs

TABLES = {"ijsat": 7, "dmat": 4, "atld": 5, "jat": 7}

# Printed numbers that are computed at the papers' size, and that are not.
EXPECTED = {
    "atld table1": (54, 6),
    "atld table2": (82, 6),
    "atld table3": (72, 0),
    "atld table4": (32, 34),
    "atld table5": (48, 0),
    "dmat table1": (30, 0),
    "dmat table2": (35, 0),
    "dmat table3": (27, 0),
    "dmat table4": (45, 0),
    "ijsat table1": (49, 0),
    "ijsat table2": (13, 1),
    "ijsat table3": (77, 0),
    "ijsat table4": (56, 0),
    "ijsat table5": (54, 0),
    "ijsat table6": (21, 0),
    "ijsat table7": (42, 0),
    "jat table1": (35, 0),
    "jat table2": (15, 0),
    "jat table3": (10, 0),
    "jat table4": (60, 0),
    "jat table5": (8, 0),
    "jat table6": (20, 0),
    "jat table7": (20, 0),
}


@pytest.fixture(scope="module")
def plan() -> Specs:
    return Specs(load_config("paper"))


def test_no_table_is_missing(plan: Specs) -> None:
    found = {
        paper: len(content.tables) for paper, content in plan.config.papers.items()
    }
    assert found == TABLES
    assert sum(found.values()) == 23


def test_so_much_is_computed_and_the_rest_says_why(plan: Specs) -> None:
    found = list(counts.counts(plan))
    told = {
        f"{c.paper} {c.table}": (c.computed, c.published_only.total()) for c in found
    }
    assert told == EXPECTED
    assert all(why.strip() for one in found for why in one.published_only)


def test_every_computed_cell_has_its_jobs(plan: Specs) -> None:
    """Each run can be resolved, down to the settings of its training and its attack."""
    tables = [plan.pages.table(one.paper, one.table) for one in counts.counts(plan)]
    runs = {(r.dataset, r.defense, r.threat) for table in tables for r in table.runs}
    for dataset, defense, threat in sorted(runs):
        assert plan.attack(dataset, defense, threat).threat
    for home, label in sorted({origin(*run[:2]) for run in runs}):
        assert plan.defense(home, label).name == label
    for table in tables:
        behind = {run.key for run in table.runs}
        for row in table.rows:
            for place in range(len(table.columns)):
                if row.defense and not table.not_run(row, place):
                    asked = {*table.behind(row, place)}
                    assert asked
                    assert asked <= behind


def test_the_counts_are_printed() -> None:
    said = counts.text([*counts.counts(Specs(load_config("demo")))])
    lines = [line.split() for line in said.splitlines() if line]
    first = next(line for line in lines if line[:2] == ["ijsat", "table1"])
    assert first[2:] == ["49", "9", "0", "40"]
    assert lines[0][0] == "paper"
    assert "left out at scale demo" in said
