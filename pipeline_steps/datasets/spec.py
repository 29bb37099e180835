"""What a job must know of a data set."""

from typing import Literal

from pipeline_steps.core.settings import Count, Entry, Settings, Share, Whole


class Augmentation(Settings):
    """How training images are shifted, mirrored and covered."""

    pad: Whole = 0
    """Pixels of padding; an image of the old size is then cropped at random."""
    flip: bool = False
    """Whether half of the images are mirrored."""
    cutout: Whole = 0
    """Side of a black square around a random pixel, as in Cutout."""


class DatasetSpec(Settings):
    """A data set as a model meets it."""

    name: str
    classes: Count
    size: Count
    channels: Count = 3
    projected: str | None = None
    """Of one on a manifold: the data set and the generator that it was projected with."""


class Cut(Settings):
    """Which images become test images."""

    share: Share = 0.0
    """The share of every class that becomes test images."""
    rule: Literal["iid", "file_order"] = "iid"
    """`iid` draws them at random, always the same ones; `file_order` takes the last of
    every class."""
    at_most: Count | None = None
    """Most test images of a class; the others are left out."""
    train_at_most: Count | None = None
    """Training images of a class: the first that are not test images. Without it, all
    of these."""


class FetchSpec(Settings):
    """What is fetched; where from is no part of it."""

    dataset: DatasetSpec
    source: Entry


class SourceSpec(FetchSpec):
    """What a data set is made of, and what it must turn into."""

    cut: Cut = Cut()


class SheetSpec(Settings):
    """What a contact sheet shows."""

    dataset: DatasetSpec
    per_class: Count = 10
    """Images of each class."""


class CorruptionSpec(Settings):
    """A corruption of a data set's test images, and what makes it."""

    dataset: DatasetSpec
    name: str
    made: Entry
    """The corruption, or the source that has its images ready-made."""
    seed: Whole = 0
