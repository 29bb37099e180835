"""Entries of datasets.yaml."""

from typing import Literal

from pydantic import Field

from pipeline_steps.core.settings import (
    Amount,
    Count,
    Settings,
    SourceEntry,
    Whole,
    Word,
)
from pipeline_steps.datasets.spec import Augmentation, Cut

# What threats and defenses call the approximate generator of the data set at hand.
GAN = "gan"


class Budgets(Settings):
    """How far an edit may go on this data set. Threats use multiples of these."""

    image: Amount
    """In image space, L∞, for images in [0, 1]."""
    latent: Amount
    """In a flow's raw latents, L∞."""


class Corruptions(Settings):
    """Where corrupted copies of a data set's test images come from."""

    published: Word | None = None
    """The data set with the published copies; without it, they are generated."""
    frost: Word = "frost"
    """The data set of photographs that the corruption `frost` is generated from."""
    seed: Whole = 0
    """The random seed of generated corruptions."""


class OnManifold(Settings):
    """Another data set's images, projected onto a generator's manifold."""

    dataset: Word
    """The natural data set."""
    generator: Word
    """The generator that they are projected onto."""
    test: Literal["projected", "natural"] = "projected"
    """Whether test images are projected, too, or natural."""


class Dataset(Settings):
    """A data set: where it comes from, what it holds, and how it is augmented."""

    title: str
    """What it is, in words."""
    source: SourceEntry | None = None
    """Where its images come from, and how they are read."""
    projected: OnManifold | None = None
    """Instead of a source: another data set's images, projected onto a generator."""
    gan: Word | None = None
    """The generator that threats and defenses mean by `gan`; for a projected data set,
    the one that it was projected onto."""
    places: list[str] = Field(default_factory=list)
    """Where its files may be, tried in order after those in DATASETS_MIRROR: folders,
    or addresses with `file:`, `http:`, `https:` or `s3:`."""
    classes: Count
    """How many classes it has."""
    size: Count
    """Height and width in pixels."""
    channels: Count = 3
    """Number of colour channels."""
    cut: Cut = Cut()
    """How test images are chosen if the source has no split of its own."""
    train_images: Count | None = None
    """The number of training images, for plans made before it is built."""
    test_images: Count | None = None
    """The number of test images, for the same purpose."""
    budgets: Budgets
    """How far threats may go."""
    augmentation: Augmentation = Augmentation()
    """How its training images are augmented."""
    corruptions: Corruptions = Corruptions()
    """How `snakemake data/NAME/corruptions/fog.images.npy` is made."""
