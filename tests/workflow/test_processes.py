"""A rule that asks for several GPUs runs its step by as many processes."""

import json
from collections.abc import Callable

import pytest
from workflow_house import House

pytestmark = pytest.mark.xdist_group("workflow")

RECORDS = [
    "results/demo/cards/defenses/digits/at.record.json",
    "results/demo/cards/generators/digits/glow.record.json",
]
SCALE = "workflow/config/scales/demo.yaml"
GRANTED = "{threads: 1, memory_mb: 1500, minutes: 10"


def test_two_gpus_are_two_processes_and_change_no_plan(
    tiny: Callable[[], House],
) -> None:
    house = tiny()
    house.edit(
        SCALE,
        "^resources:",
        "resources:\n"
        f"  train_defense: {GRANTED}, gpus: 2}}\n"
        f"  train_flow: {GRANTED}, gpus: 2}}",
    )
    house.build(*RECORDS)
    for path in RECORDS:
        assert json.loads((house.root / path).read_text())["processes"] == 2
    house.edit(SCALE, "gpus: 2", "gpus: 1", count=0)
    assert house.planned(*RECORDS) == set()
