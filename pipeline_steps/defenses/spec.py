"""What a job must know about a defense."""

from operator import itemgetter
from typing import Any, Literal

from pydantic import Field

from pipeline_steps.core.registry import mappings
from pipeline_steps.core.settings import (
    Compiled,
    Count,
    Deterministic,
    Entry,
    Limit,
    NotNegative,
    Positive,
    Precision,
    Settings,
    Share,
    Whole,
)
from pipeline_steps.datasets.spec import Augmentation, DatasetSpec


class Schedule(Settings):
    """A training schedule for stochastic gradient descent."""

    epochs: Count
    """Passes over the training images."""
    batch: Count
    """Batch size."""
    learning_rate: Positive | None = None
    """The learning rate at the start, or at the top of a cycle; `knots` replace it."""
    momentum: Share = 0.9
    """The optimiser's momentum."""
    weight_decay: NotNegative = 0.0
    """Weight decay of all parameters."""
    nesterov: bool = False
    """Whether to use Nesterov momentum."""
    drops: list[Count] = Field(default_factory=list)
    """Epochs after which the learning rate is multiplied by `factor`."""
    factor: Share = 0.1
    """What the learning rate is multiplied by at each drop."""
    warm_up: NotNegative = 0.0
    """Number of epochs in which the learning rate rises from zero."""
    cyclic: bool = False
    """Whether the learning rate rises from zero and falls to zero, half of the epochs
    each, instead of dropping."""
    knots: list[tuple[NotNegative, NotNegative]] = Field(default_factory=list)
    """Pairs of epoch and learning rate, joined by straight lines. Epochs may be
    fractions."""
    ema: Share = 0.0
    """Decay of the moving average of the weights, which is then the trained model; 0
    turns it off."""
    norm_limit: Positive | None = None
    """The largest L2 norm of a gradient; longer ones are clipped."""
    precision: Precision = "float32"
    """The network's precision; losses and generators stay in float32."""
    compiled: Compiled = False
    """Whether the network's passes are compiled, if the machine can: `graphs` also replays
    them as CUDA graphs, which on a CPU is the same as `yes`."""


class MonitorSpec(Settings):
    """How accuracy is monitored during training."""

    threat: Entry
    every: Count
    images: Count
    of: Literal["held_out", "test"]


class DefenseSpec(Settings):
    """A network, the recipe that trains it, and its training schedule."""

    name: str
    dataset: DatasetSpec
    augmentation: Augmentation
    architecture: Entry
    recipe: Entry
    schedule: Schedule
    images: Count | None = None
    """How many training images it learns from, from the first on; all by default."""
    steps: Limit = None
    """The number of steps after which training ends; it overrides the schedule."""
    monitor: MonitorSpec | None = None
    """How accuracy is monitored, and the best epoch chosen."""
    deterministic: Deterministic = True
    """Whether kernels are chosen that give the same numbers each time."""
    snapshots: Whole | list[Count]
    """How many times the weights are kept on the way, for curves over training, or after
    which epochs."""
    seed: Whole


class AdoptSpec(Settings):
    """A model that was trained elsewhere."""

    name: str
    dataset: DatasetSpec
    architecture: Entry
    """The user's function, its arguments, and the digest of its code; and the model's
    inference, if it has one."""
    weights: str
    """The digest of the file of its weights."""


def defenses_in(spec: Any) -> dict[str, Entry]:
    """Every other defense that a spec names, by its name in paths, with its network."""
    named = [e for e in mappings(spec) if isinstance(e.get("defense"), str)]
    return {
        entry["defense"]: entry for entry in sorted(named, key=itemgetter("defense"))
    }
