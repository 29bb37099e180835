"""What a job must know of a generator."""

from operator import itemgetter
from typing import Any

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
from pipeline_steps.datasets.spec import DatasetSpec


class FlowTraining(Settings):
    """How a flow is trained by likelihood."""

    epochs: Count
    """Passes over the training images."""
    batch: Count
    """Images of a step."""
    learning_rate: Positive
    """After the warm-up; it falls to zero over the run."""
    warm_up: Whole = 0
    """Steps over which the learning rate rises from zero."""
    gradient_limit: Positive = 50.0
    """Gradients are scaled down to this norm."""
    weight_decay: NotNegative = 0.0
    """Of Adamax, added to the gradient."""
    ema: Share = 0.0
    """What the exponential average of the weights, which is kept, remembers a step."""


class FlowSpec(Settings):
    """A flow, the data set that it models, and its training."""

    dataset: DatasetSpec
    model: Entry
    training: FlowTraining
    seed: Whole


def generators_in(spec: Any) -> dict[str, Entry]:
    """Every generator that a spec holds at any depth, by name, in the order of names."""
    named = [e for e in mappings(spec) if isinstance(e.get("generator"), str)]
    return {entry["name"]: entry for entry in sorted(named, key=itemgetter("name"))}
