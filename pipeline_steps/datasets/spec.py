"""What a job must know of a data set."""

from pipeline_steps.core.settings import Count, Entry, Settings, Share, Whole


class Augmentation(Settings):
    """How training images are shifted and mirrored."""

    pad: Whole = 0
    """Pixels of padding, out of which an image of the old size is cut at random."""
    flip: bool = False
    """Whether half of the images are mirrored."""


class DatasetSpec(Settings):
    """A data set as a model meets it."""

    name: str
    classes: Count
    size: Count
    channels: Count = 3


class SourceSpec(Settings):
    """Where a data set comes from, and what it must turn into."""

    dataset: DatasetSpec
    source: Entry
    test_share: Share = 0.0
    """The part kept for testing, where the source has no split of its own."""
