"""Which step each second of a record belongs to, for both the plan and the report.

A result made in shards has one record that contains the shards' records. Their seconds
belong to the shards' step, and the rest to gathering them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_steps.layout import RULES


@dataclass(frozen=True)
class Booking:
    """The seconds that a step took, and what it used meanwhile."""

    step: str
    """As the plan calls it: the step, or the rule that gathers its shards."""
    record: Mapping[str, Any]
    """Of the run that took them."""
    seconds: float
    shard: int | None = None
    """The shard's number, where it is one."""

    @property
    def on_gpu(self) -> bool:
        return str(self.record["device"]) != "cpu"


def step_of(rule: str) -> str:
    """The step whose work a rule does; gathering counts as a step of its own."""
    result = RULES.get(rule)
    if result is None or result.gathers:
        return rule
    return result.step.partition(".")[2]


def bookings(step: str, record: Mapping[str, Any]) -> list[Booking]:
    """All bookings of a record, given the step on the card beside it."""
    own = step.partition(".")[2] or step
    parts = record.get("parts", [])
    if not parts:
        return [Booking(own, record, float(record.get("seconds", 0)))]
    shards = [
        Booking(own, part, float(part["seconds"]), number)
        for number, part in enumerate(parts, 1)
    ]
    rest = float(record["seconds"]) - sum(booking.seconds for booking in shards)
    # The whole record has its shards' device and peak memory; gathering uses neither.
    here = {**record, "device": "cpu", "peak_gpu_memory_mb": 0}
    return [*shards, Booking(_gathering(step), here, rest)]


def _gathering(step: str) -> str:
    """The rule that puts a step's shards together."""
    return next(
        (
            rule
            for rule, result in RULES.items()
            if result.gathers and result.step == step
        ),
        step.partition(".")[2],
    )
