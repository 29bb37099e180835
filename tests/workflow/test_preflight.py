"""A trial of a scale, run for real, tells what the scale itself then takes."""

import json
from pathlib import Path

import pytest
from workflow_house import DEMO, House

from pipeline_steps.cluster.plan_whole import Plan, make_plan

pytestmark = pytest.mark.xdist_group("workflow")

WHOLE, TRIAL = (f"workflow/config/scales/{name}.yaml" for name in ("whole", "trial"))
TRAINING, VERDICTS = "defenses/digits/at", "verdicts/digits/at/pgd20"
# Of the demo's AT, 285 steps: a trial of two, as preflight's, would be one step's noise.
STEPS = 8
# The machine may be busy with other tests, and more so at one time than at another.
NEAR = 3.0


def record(house: House, scale: str, name: str) -> dict:
    path = Path("results", scale, "cards", f"{name}.record.json")
    return json.loads((house.root / path).read_text())


def targets(scale: str) -> list[str]:
    return [f"results/{scale}/cards/{VERDICTS}.json"]


def plan_of(house: House, scale: str) -> dict[str, tuple[float, str]]:
    plan: Plan = make_plan(scale, targets(scale), house.root)
    return {
        job.rule: (known.seconds or 0.0, known.basis)
        for job, known in zip(plan.jobs, plan.durations, strict=True)
    }


def test_a_trial_tells_what_the_whole_takes(tmp_path: Path) -> None:
    house = House.fresh(tmp_path / "house")
    demo = (house.root / DEMO).read_text()
    (house.root / WHOLE).write_text(demo)
    limits = f"training: {{steps: {STEPS}}}\nprojection: {{batches: 1}}\n"
    (house.root / TRIAL).write_text(
        limits + demo.replace("  batch: 180\n", "  batch: 180\n  images: 180\n")
    )
    before = plan_of(house, "whole")
    assert before["train_defense"][1].startswith("counted")

    house.build("--config", "scale=trial", "--", *targets("trial"))
    steps = record(house, "trial", TRAINING)["pace"]["steps"]
    assert steps["done"] == STEPS
    planned = plan_of(house, "whole")
    for rule in ("train_defense", "attack_defense"):
        assert planned[rule][1] == "from trial on cpu"

    house.build("--config", "scale=whole", "--", *targets("whole"))
    took = {
        "train_defense": record(house, "whole", TRAINING)["seconds"],
        "attack_defense": record(house, "whole", VERDICTS)["parts"][0]["seconds"],
    }
    for rule, seconds in took.items():
        assert seconds / NEAR < planned[rule][0] < seconds * NEAR
    assert plan_of(house, "whole")["train_defense"][1] == "measured"
