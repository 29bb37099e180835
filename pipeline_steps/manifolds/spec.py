"""What a job must know to put a data set onto a generator's manifold."""

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
    """How latents are sought; as it stands here, DMAT's `encode_imagenet.py`."""

    features: Word = "vgg16"
    """Whose features tell how alike images look: those of the data set `vgg16`, or of a
    defense that the pipeline trains."""
    iterations: Count = 1000
    """Steps of Adam, from the mean latent."""
    batch: Count | None = None
    """Images that are projected at once; as many as are attacked if none is said."""
    learning_rate: Positive = 0.1
    """At its highest."""
    ramp_up: Share = 0.05
    """Over which share of the steps the learning rate rises, linearly."""
    ramp_down: Share = 0.25
    """Over which share, at the end, it falls, along a cosine."""
    noise: NotNegative = 0.05
    """Deviation of the noise that latents are tried with, in that of the latents."""
    noise_until: Share = 0.75
    """After which share of the steps there is none; until then it falls as a square."""
    pixel_weight: NotNegative = 200
    """Weight of the mean absolute difference of pixels beside the perceptual distance; 100
    in the released code, whose images are in [-1, 1], and none in the paper's equation 7."""
    mean_of: Count = 10000
    """How many random latents the mean latent is the mean of."""


class ManifoldSpec(Settings):
    """A data set and the generator that it is projected onto."""

    dataset: DatasetSpec
    split: Literal["train", "test"]
    generator: Entry
    images: Limit = None
    """How many are projected, from the start; theirs then stand for all others too."""
    batch: Count
    projection: Projection | None = None
    """How latents are sought; not stated for a generator that has an exact `encode`."""
    features: Entry | None = None
    """The network whose features tell images apart, where latents are sought."""
    shard: OneShard = None
    """Which part of the images is projected; all, if none is said."""
