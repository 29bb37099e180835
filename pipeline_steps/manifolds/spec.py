"""What a job must know to put a data set onto a generator's manifold."""

from pipeline_steps.core.settings import Count, Entry, Settings
from pipeline_steps.core.shards import Shard
from pipeline_steps.datasets.spec import DatasetSpec


class ManifoldSpec(Settings):
    """A data set and the generator that it is projected onto."""

    dataset: DatasetSpec
    generator: Entry
    batch: Count


class ManifoldShardSpec(ManifoldSpec):
    """The same for one shard of the images."""

    shard: Shard
