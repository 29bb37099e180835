"""A rule that asks for several GPUs runs its step by as many processes."""

import json
from collections.abc import Callable

import pytest
from workflow_house import DEMO, House

pytestmark = pytest.mark.xdist_group("workflow")

RECORDS = [
    "results/demo/cards/defenses/digits/at.record.json",
    "results/demo/cards/generators/digits/glow.record.json",
]
STEPS = ("train_defense", "train_flow")
GRANTED = {"threads": 1, "memory_mb": 1500, "minutes": 10}


def test_two_gpus_are_two_processes_and_change_no_plan(
    tiny: Callable[[], House],
) -> None:
    house = tiny()
    for step in STEPS:
        house.configure(DEMO, f"resources.{step}", {**GRANTED, "gpus": 2})
    house.build(*RECORDS, "--config", "cpu=yes")
    for path in RECORDS:
        assert json.loads((house.root / path).read_text())["processes"] == 2
    for step in STEPS:
        house.configure(DEMO, f"resources.{step}.gpus", 1)
    assert house.planned(*RECORDS) == set()
