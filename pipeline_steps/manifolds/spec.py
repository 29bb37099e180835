"""What a job must know to put a data set onto a generator's manifold."""

from pipeline_steps.core.settings import Count, Entry, Settings
from pipeline_steps.datasets.spec import DatasetSpec


class ManifoldSpec(Settings):
    """A data set and the generator that it is projected onto."""

    dataset: DatasetSpec
    generator: Entry
    batch: Count
