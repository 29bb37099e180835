"""What a job must know of a defense."""

from operator import itemgetter
from typing import Any

from pydantic import Field

from pipeline_steps.core.registry import mappings
from pipeline_steps.core.settings import (
    Count,
    Entry,
    NotNegative,
    Positive,
    Settings,
    Share,
    Whole,
)
from pipeline_steps.datasets.spec import Augmentation, DatasetSpec


class Schedule(Settings):
    """The course of a training run: stochastic gradient descent with steps."""

    epochs: Count
    """Passes over the training images."""
    batch: Count
    """Images of a step."""
    learning_rate: Positive
    """At the start."""
    momentum: Share = 0.9
    """Of the optimiser."""
    weight_decay: NotNegative = 0.0
    """Of all parameters."""
    nesterov: bool = False
    """Whether the momentum looks ahead."""
    drops: list[Count] = Field(default_factory=list)
    """Epochs after which the learning rate is multiplied by `factor`."""
    factor: Share = 0.1
    """What each drop leaves of the learning rate."""


class DefenseSpec(Settings):
    """A network, the recipe that trains it, and the course of its training."""

    name: str
    dataset: DatasetSpec
    augmentation: Augmentation
    architecture: Entry
    recipe: Entry
    schedule: Schedule
    snapshots: Whole
    """How many times the weights are kept on the way, for curves over training."""
    seed: Whole


def defenses_in(spec: Any) -> dict[str, Entry]:
    """Every other defense that a spec names, as it stands in paths, with its network."""
    named = [e for e in mappings(spec) if isinstance(e.get("defense"), str)]
    return {
        entry["defense"]: entry for entry in sorted(named, key=itemgetter("defense"))
    }
