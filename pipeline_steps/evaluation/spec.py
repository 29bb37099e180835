"""What a job must know to judge a defense under a threat."""

from typing import Literal

from pipeline_steps.core.settings import Count, Entry, Precision, Settings, Whole
from pipeline_steps.core.shards import OneShard
from pipeline_steps.datasets.spec import DatasetSpec
from pipeline_steps.threats.spec import ThreatSpec


class AttackSpec(Settings):
    """A trained defense, the threat that it meets, and on how many images."""

    dataset: DatasetSpec
    architecture: Entry
    weights: Literal["last", "best"] = "last"
    """Of the trained weights, the last, or those of the epoch that withstood most."""
    threat: ThreatSpec
    images: Count | None
    """How many images of the test set are judged, from its start; all if none is said."""
    batch: Count
    precision: Precision = "float32"
    """In which numbers the attack computes; verdicts are always given in float32."""
    kept: Whole = 0
    """How many edited images are kept for pictures."""
    features: Entry | None = None
    """By whose features the perceptual size of the edits is told, if it is asked for."""
    seed: Whole
    shard: OneShard = None
    """Which part of the images is attacked; all, if none is said."""
