"""A trial of a scale, run for real, tells what the scale itself then takes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from workflow_house import DEMO, House

from pipeline_steps.cluster.cost_plan import make_plan
from pipeline_steps.cluster.plan_durations import Duration

pytestmark = pytest.mark.xdist_group("workflow")

WHOLE, TRIAL = (f"workflow/config/scales/{name}.yaml" for name in ("whole", "trial"))
TRAINING, VERDICTS = "defenses/digits/at", "verdicts/digits/at/pgd20"
JOBS = {"train_defense": TRAINING, "attack_defense": VERDICTS}
# Of the demo's AT, 285 steps: a trial of two, as preflight's, would be one step's noise.
STEPS = 8


def record(house: House, scale: str, name: str) -> dict[str, Any]:
    path = Path("results", scale, "cards", f"{name}.record.json")
    told: dict[str, Any] = json.loads((house.root / path).read_text())
    return told["parts"][0] if "parts" in told else told


def target(scale: str) -> str:
    return f"results/{scale}/cards/{VERDICTS}.json"


def plan_of(house: House, scale: str) -> dict[str, Duration]:
    """By step, for each step has one job here."""
    plan = make_plan(scale, [target(scale)], house.root)
    return {
        job.rule: known for job, known in zip(plan.jobs, plan.durations, strict=True)
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The demo's settings as two scales: whole, and a trial of it that was run."""
    house = House.fresh(tmp_path_factory.mktemp("trial") / "house")
    for scale in (WHOLE, TRIAL):
        shutil.copy2(house.root / DEMO, house.root / scale)
    house.configure(TRIAL, "training", {"steps": STEPS})
    house.configure(TRIAL, "projection", {"batches": 1})
    house.configure(TRIAL, "evaluation.images", 180)
    house.build("--config", "scale=trial", "--", target("trial"))
    return house


def test_a_trial_tells_what_the_whole_takes(house: House) -> None:
    """The plan reckons with the steps and batches that the whole then does."""
    trial = {r: record(house, "trial", name) for r, name in JOBS.items()}
    assert trial["train_defense"]["pace"]["steps"]["done"] == STEPS
    planned = plan_of(house, "whole")
    house.build("--config", "scale=whole", "--", target("whole"))
    whole = {r: record(house, "whole", name) for r, name in JOBS.items()}
    for rule, told in trial.items():
        assert planned[rule].basis == "from trial on cpu"
        each = {unit: kind["seconds_each"] for unit, kind in told["pace"].items()}
        start = told["seconds"] - work(told, each)
        reckoned = start + work(whole[rule], each)
        assert planned[rule].seconds == pytest.approx(reckoned, rel=0.02)
    assert plan_of(house, "whole")["train_defense"].basis == "measured"


def work(told: dict[str, Any], each: dict[str, float]) -> float:
    """Seconds of all units that a record tells of, at such seconds for each."""
    return sum(kind["done"] * each[unit] for unit, kind in told["pace"].items())
