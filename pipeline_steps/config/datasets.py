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
    """How far an edit may go on this data set; threats speak in multiples of it."""

    image: Amount
    """In image space, L∞, for images in [0, 1]."""
    latent: Amount
    """In a flow's raw latents, L∞."""


class Corruptions(Settings):
    """Where the corrupted copies of a data set's test images come from."""

    published: Word | None = None
    """The data set that holds them ready-made; if none is named, they are generated."""
    frost: Word = "frost"
    """The data set of photographs that the corruption `frost` is generated from."""
    seed: Whole = 0
    """What random numbers of generated corruptions begin from."""


class OnManifold(Settings):
    """A data set made of another one's images, projected onto a generator's manifold."""

    dataset: Word
    """The natural data set."""
    generator: Word
    """The generator on whose manifold they lie."""
    test: Literal["projected", "natural"] = "projected"
    """Which test images stand beside the projected training images."""


class Dataset(Settings):
    """A data set: where it comes from, what it holds, and how it is augmented."""

    title: str
    """What it is, in words."""
    source: SourceEntry | None = None
    """What it is made of, and how that is read."""
    projected: OnManifold | None = None
    """In a source's place: whose images it holds as a generator can show them."""
    gan: Word | None = None
    """The approximate generator that threats and defenses mean by `gan`; for a projected
    data set, the one that it was projected with."""
    places: list[str] = Field(default_factory=list)
    """Where its files may lie, tried in order after those in DATASETS_MIRROR: folders, or
    addresses with `file:`, `http:`, `https:` or `s3:`."""
    classes: Count
    """How many classes it has."""
    size: Count
    """Height and width in pixels."""
    channels: Count = 3
    """Colours of a pixel."""
    cut: Cut = Cut()
    """How test images are chosen, where the source has no split of its own."""
    train_images: Count | None = None
    """How many images it has for training, for plans made before it is built."""
    test_images: Count | None = None
    """How many it has for testing, for the same."""
    budgets: Budgets
    """How far threats may go."""
    augmentation: Augmentation = Augmentation()
    """What training does to its images."""
    corruptions: Corruptions = Corruptions()
    """What `snakemake data/NAME/corruptions/fog.images.npy` is made of."""
