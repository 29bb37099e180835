"""The course of a training run: its learning rate, and when weights are kept."""

from collections.abc import Sequence
from itertools import pairwise

from pipeline_steps.defenses.spec import Schedule


def learning_rate(schedule: Schedule, epoch: int, share: float = 0.0) -> float:
    """The learning rate of the step that ends at this fraction of an epoch."""
    passed = epoch + share
    if schedule.knots:
        return _between(schedule.knots, passed)
    assert schedule.learning_rate is not None, "the config says either"
    if schedule.cyclic:  # fast adversarial training: up, and down again
        return schedule.learning_rate * (1 - abs(2 * passed / schedule.epochs - 1))
    rate = schedule.learning_rate
    if passed < schedule.warm_up:
        rate *= passed / schedule.warm_up
    return rate * schedule.factor ** sum(epoch >= drop for drop in schedule.drops)


def _between(knots: list[tuple[float, float]], place: float) -> float:
    """Interpolates linearly between knots; constant before the first and after the
    last."""
    for (begin, low), (end, high) in pairwise(knots):
        if begin <= place < end:
            return low + (high - low) * (place - begin) / (end - begin)
    return knots[0][1] if place < knots[0][0] else knots[-1][1]


def kept_epochs(epochs: int, snapshots: int | Sequence[int]) -> set[int]:
    """Evenly spaced epochs including the last, or the chosen ones."""
    if not isinstance(snapshots, int):
        return set(snapshots)
    return {round(epochs * (i + 1) / snapshots) for i in range(snapshots)} - {0}


def kept_around_drops(schedule: Schedule, snapshots: int) -> list[int]:
    """Evenly spaced epochs, and with them the last before each drop and the first after."""
    even = kept_epochs(schedule.epochs, snapshots)
    around = (
        {drop + after for drop in schedule.drops for after in (0, 1)} if even else ()
    )
    return sorted(epoch for epoch in even.union(around) if epoch <= schedule.epochs)
