"""In a clone that pulled, a change plans exactly what it touches (WORKFLOW D.3)."""

from pathlib import Path

import pytest
from release_checkout import Checkout, refused
from test_reruns import (
    A_LINE,
    BUILD,
    CURVES,
    FETCH,
    FLOW,
    STEPS,
    TABLE,
    TRAIN,
    shown,
)
from workflow_house import DEMO

pytestmark = pytest.mark.xdist_group("release")

# A release's demo is without GANs and what only their figures show.
ALL = FETCH | BUILD | FLOW | TRAIN | TABLE | CURVES
PAGES = {
    "make_table ijsat table1",
    *(f"make_figure ijsat figure{name}" for name in ("2", "4", "-glow")),
    "check_claims ijsat",
    "gather_claims",
    "make_report",
}
EDITS = {
    "an edit in train": (f"{STEPS}/defenses/train_defense.py", TRAIN | TABLE | CURVES),
    "a real edit in a shared helper": (f"{STEPS}/datasets/canonical.py", ALL),
    "an edit in evaluate only": (f"{STEPS}/evaluation/attack_defense.py", TABLE),
}


def with_pages(jobs: set[str]) -> set[str]:
    """Jobs, and the pages of a release's demo that show what they make."""
    return shown(jobs) & (ALL | PAGES)


@pytest.mark.parametrize("change", EDITS)
def test_an_edit_plans_what_it_touches(house: Checkout, change: str) -> None:
    file, touched = EDITS[change]
    house.append(file, A_LINE)
    assert house.planned() == with_pages(touched)


def test_no_change_plans_nothing(house: Checkout) -> None:
    assert house.planned() == set()


def test_a_comment_in_a_shared_helper_plans_nothing(house: Checkout) -> None:
    house.append(f"{STEPS}/core/rng.py", "\n# a comment\n")
    assert house.planned() == set()


def test_an_edit_that_git_takes_back_plans_nothing(house: Checkout) -> None:
    house.append(f"{STEPS}/datasets/canonical.py", A_LINE)
    assert house.planned()
    house.git("checkout", "--quiet", "--", STEPS)
    assert house.planned() == set()


def test_the_epochs_in_the_config_plan_training_and_what_follows(
    house: Checkout,
) -> None:
    house.configure(DEMO, "overrides.defenses.schedules.ijsat.epochs", 9)
    assert house.planned() == with_pages(TRAIN | TABLE | CURVES)


def test_how_many_shards_there_are_plans_nothing(house: Checkout) -> None:
    house.configure(DEMO, "shards.threats.jsa50", 3)
    assert "Nothing to be done" in house.run("--dry-run").stdout


def test_one_new_defense_plans_itself_alone(house: Checkout) -> None:
    house.configure(
        "workflow/config/defenses.yaml",
        "defenses.at-fgsm",
        {
            "title": "AT with one step",
            "architecture": "resnet18",
            "recipe": {"recipe": "at", "threat": "fgsm"},
            "schedule": "ijsat",
        },
    )
    paper = "workflow/config/papers/ijsat.yaml"
    house.configure(paper, "tables.table1.rows.2.defense", "at-fgsm")
    of_table = ["normal", "at", "at-fgsm", "ijsat"]
    house.configure(DEMO, "pages.ijsat.table1.defenses", of_table)
    new = {job.replace(" at", " at-fgsm") for job in TABLE if " at " in job}
    # What the paper's numbers say of DMAT is known from Table 6 too, so no claim changes.
    table = {"make_table ijsat table1", "make_report"}
    assert house.planned() == {"train_defense digits at-fgsm"} | new | table


def test_code_committed_without_a_rerun_is_stale_wherever_it_is_pulled(
    first: Checkout, tmp_path: Path
) -> None:
    first.append(f"{STEPS}/evaluation/attack_defense.py", A_LINE)
    first.git("commit", "--quiet", "--all", "--message", "Attack in another way")
    assert "snakemake would still run" in refused(first.publish())
    clone = first.clone(tmp_path / "clone")
    done = clone.pull()
    assert done.returncode == 0, "the files are those that were published"
    expected = with_pages(TABLE)
    assert f"snakemake would run {len(expected)} jobs:" in done.stdout
    assert clone.planned() == expected
