"""What a job must know about a generator."""

from operator import itemgetter
from typing import Any, Literal

from pydantic import Field

from pipeline_steps.core.registry import mappings
from pipeline_steps.core.settings import (
    Count,
    Digest,
    Entry,
    Limit,
    NotNegative,
    Positive,
    Settings,
    Share,
    Whole,
)
from pipeline_steps.datasets.spec import DatasetSpec


class FlowTraining(Settings):
    """How a flow is trained, by maximum likelihood."""

    epochs: Count
    """Passes over the training images."""
    batch: Count
    """Images of a step."""
    learning_rate: Positive
    """The learning rate after the warm-up; it falls to zero over the run."""
    warm_up: Whole = 0
    """Number of steps in which the learning rate rises from zero."""
    gradient_limit: Positive = 50.0
    """Longer gradients are scaled down to this norm."""
    weight_decay: NotNegative = 0.0
    """Adamax's weight decay, added to the gradient."""
    ema: Share = 0.0
    """Decay of the exponential moving average of the weights, which is kept."""


class Lower(Settings):
    """Another batch and learning rate while a GAN has this resolution."""

    size: Count
    """Height and width in pixels."""
    batch: Count
    """Images of a step."""
    learning_rate: Positive
    """Of both networks."""


class Judging(Settings):
    """How a GAN is evaluated by the Fréchet distance of features."""

    images: Count
    """How many generated images are compared with as many real ones."""
    times: Count = 1
    """How many times, evenly over the training; the last time is at its end."""
    steps: Count = 2000
    """Training steps of the classifier whose features are compared without
    Inception."""
    width: Count = 32
    """Channels of its first layer."""


class GanTraining(Settings):
    """How a GAN is trained against its discriminator."""

    images: Count
    """How many images the generator makes during training."""
    batch: Count
    """Images of a step."""
    learning_rate: Positive
    """Of both networks."""
    loss: Literal["logistic", "hinge"]
    """`logistic` is the non-saturating loss."""
    critics: Count = 1
    """Discriminator steps for each generator step."""
    penalty: NotNegative = 0.0
    """R1's γ for images in [0, 1], a quarter of that for images in [-1, 1]."""
    second_moment: Share
    """Adam's β₂; its β₁ is 0."""
    fall: bool = False
    """Whether the learning rate falls to zero over the run."""
    average: Whole = 0
    """Half-life, in images, of the moving average of the weights, which is kept; 0
    keeps the last weights."""
    mixing: Share = 0.0
    """The share of images that take their later styles from a second latent."""
    grow_from: Whole = 0
    """The first resolution; 0 starts with that of the data set."""
    growth_images: Whole = 0
    """The number of images that fade in each further resolution, and again that train
    it."""
    lower: list[Lower] = Field(default_factory=list)
    """Batch and learning rate at lower resolutions."""
    precision: Literal["float32", "mixed"] = "float32"
    """`mixed` computes in bfloat16 where that is safe, on GPUs only."""
    judge: Judging
    """How its samples are compared with real images."""


class FlowSpec(Settings):
    """A flow, the data set that it models, and its training."""

    dataset: DatasetSpec
    model: Entry
    training: FlowTraining
    steps: Limit = None
    """The number of steps after which training ends; it overrides the training's
    own."""
    seed: Whole


class GanSpec(Settings):
    """A GAN, the data set that it learns from, and its training."""

    dataset: DatasetSpec
    model: Entry
    training: GanTraining
    steps: Limit = None
    """How many steps it takes at each stage of its growth, whatever its training says."""
    mirror: bool = False
    """Whether images may be mirrored, as the data set's augmentation says."""
    inception: Digest | None = None
    """The checksum of Inception's weights; without them a classifier is trained."""
    seed: Whole


def generators_in(spec: Any) -> dict[str, Entry]:
    """Every generator that a spec holds at any depth, by name, in the order of names."""
    named = [e for e in mappings(spec) if isinstance(e.get("generator"), str)]
    return {entry["name"]: entry for entry in sorted(named, key=itemgetter("name"))}
