"""What a job must know to judge a defense under a threat."""

from typing import Literal

from pipeline_steps.core.settings import (
    AlsoCompiled,
    Count,
    Deterministic,
    Entry,
    Precision,
    Settings,
    Whole,
)
from pipeline_steps.core.shards import OneShard
from pipeline_steps.datasets.spec import DatasetSpec
from pipeline_steps.threats.spec import ThreatSpec


class AttackSpec(Settings):
    """A trained defense, the threat that it meets, and on how many images."""

    dataset: DatasetSpec
    architecture: Entry
    weights: Literal["last", "best"] = "last"
    """Which trained weights: the last, or those of the most robust epoch."""
    threat: ThreatSpec
    images: Count | None
    """The number of test images to judge, from the start of the set; all by default."""
    batch: Count
    precision: Precision = "float32"
    """The attack's precision; verdicts are always in float32."""
    compiled: AlsoCompiled = False
    """Whether the attacked network is compiled, if the machine can."""
    deterministic: Deterministic = True
    """Whether kernels are chosen that give the same numbers each time."""
    kept: Whole = 0
    """The number of edited images to keep for pictures."""
    features: Entry | None = None
    """The network whose features measure the perceptual size of edits, if it is measured."""
    seed: Whole
    shard: OneShard = None
    """The shard of images to attack; all by default."""
