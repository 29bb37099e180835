"""What a job must know to project a data set onto a generator's manifold."""

from typing import Literal

from pipeline_steps.core.settings import (
    Count,
    Entry,
    Limit,
    NotNegative,
    Positive,
    Settings,
    Share,
    Word,
)
from pipeline_steps.core.shards import OneShard
from pipeline_steps.datasets.spec import DatasetSpec


class Projection(Settings):
    """How latents are found. The defaults are those of DMAT's `encode_imagenet.py`."""

    features: Word = "vgg16"
    """Features that measure how similar images look: `vgg16`, or the name of a defense
    that the pipeline trains."""
    iterations: Count = 1000
    """Steps of Adam, from the mean latent."""
    batch: Count | None = None
    """How many images are projected at once; by default as many as are attacked."""
    learning_rate: Positive = 0.1
    """The highest learning rate."""
    ramp_up: Share = 0.05
    """The share of the steps in which the learning rate rises linearly."""
    ramp_down: Share = 0.25
    """The share of the steps, at the end, in which it falls along a cosine."""
    noise: NotNegative = 0.05
    """Standard deviation of the noise on latents, relative to that of the latents."""
    noise_until: Share = 0.75
    """The share of the steps after which there is no noise; until then it falls
    quadratically."""
    pixel_weight: NotNegative = 200
    """Weight of the mean absolute difference of pixels beside the perceptual distance; 100
    in the released code, whose images are in [-1, 1], and none in the paper's equation 7."""
    mean_of: Count = 10000
    """How many random latents are averaged for the mean latent."""


class ManifoldSpec(Settings):
    """A data set and the generator that it is projected onto."""

    dataset: DatasetSpec
    split: Literal["train", "test"]
    generator: Entry
    images: Limit = None
    """How many images are projected, from the start; they are then repeated in place of
    all others."""
    batch: Count
    projection: Projection | None = None
    """How latents are found; absent for a generator that has an exact `encode`."""
    features: Entry | None = None
    """The network whose features measure the distance, where latents are optimised."""
    shard: OneShard = None
    """Which part of the images is projected; all by default."""
