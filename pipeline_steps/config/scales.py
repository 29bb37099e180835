"""The file of a scale: how large everything is."""

from pydantic import Field

from pipeline_steps.core.settings import (
    ArchitectureEntry,
    Compiled,
    Count,
    Positive,
    Precision,
    Settings,
    Whole,
    Word,
)
from pipeline_steps.papers.spec import Panel


class Resources(Settings):
    """What a job of one step requests from a cluster."""

    threads: Count = 1
    """CPU cores."""
    memory_mb: Count = 4000
    """Main memory."""
    minutes: Count = 60
    """Time limit."""
    gpus: Whole = 0
    """GPUs."""


class Evaluation(Settings):
    """On how many test images defenses are evaluated, and how."""

    images: Count | None = None
    """How many images, from the start of the test set; all by default."""
    batch: Count
    """How many images are attacked at once; fewer if memory runs out."""
    precision: Precision | None = None
    """The precision of attacks, the scale's by default; verdicts always use float32."""
    compiled: Compiled = False
    """Whether attacked networks are compiled: `graphs` also replays their passes as CUDA
    graphs, for attacks that keep whole batches."""
    kept: Whole = 8
    """How many attacked images are kept for pictures."""
    features: Word | None = None
    """Features that measure how large each edit looks (LPIPS): `vgg16`, or a defense's
    name. Without it, this size is not measured."""


class Training(Settings):
    """On how many images defenses train, and after how many steps any training ends."""

    images: Count | None = None
    """How many images, from the start of the training set; all by default."""
    steps: Count | None = None
    """The number of steps after which each training ends, for a GAN at each resolution.
    It is for trying out another scale; by default no training ends early."""


class Projecting(Settings):
    """How much of a data set is projected onto a generator."""

    batches: Count | None = None
    """How many batches, from the start of each split; all by default. If set, their
    projections are repeated in place of all others, to try out another scale."""


class Limits(Settings):
    """Upper limits for every attack, for scales that only check that it runs."""

    steps: Count | None = None
    """Most steps, in training and in evaluation; no limit by default."""
    queries: Count | None = None
    """Most queries of a black-box attack; no limit by default."""


class Shards(Settings):
    """Into how many jobs large work is split. Results don't depend on it."""

    threats: dict[Word, Count] = Field(default_factory=dict)
    """For evaluations under these threats; all others are single jobs."""
    generators: dict[Word, Count] = Field(default_factory=dict)
    """For projections onto these generators; all others are single jobs."""


class Rate(Settings):
    """How fast jobs compute, for plans made before any run was recorded."""

    device: str
    """The device: one GPU, or one CPU core if no job requests a GPU."""
    teraflops: Positive
    """Its sustained rate in TFLOP/s."""


class StandIns(Settings):
    """What replaces a larger data set or network at this scale."""

    datasets: dict[Word, Word] = Field(default_factory=dict)
    """For each of the papers' data sets, the one that replaces it."""
    architectures: dict[str, ArchitectureEntry] = Field(default_factory=dict)
    """For each architecture that defenses name, the one that replaces it."""


class Part(Settings):
    """How much of a table or figure a scale computes; without any key, all of it."""

    defenses: list[str] | None = None
    """Only rows or panels of these defenses."""
    threats: list[Word] | None = None
    """Only columns or panels of these threats."""

    def shows(self, panel: Panel) -> bool:
        """Whether a figure keeps this panel."""
        parts = ((panel.defense, self.defenses), (panel.threat, self.threats))
        return all(names is None or name in (None, *names) for name, names in parts)


class Overrides(Settings):
    """Changes to the other files at this scale, key by key, before they are checked."""

    generators: dict[Word, dict] = Field(default_factory=dict)
    """Changes to generators.yaml."""
    threats: dict[Word, dict] = Field(default_factory=dict)
    """Changes to threats.yaml."""
    defenses: dict[Word, dict] = Field(default_factory=dict)
    """Changes to defenses.yaml."""


class Scale(Settings):
    """How large everything is. Every scale does the same kinds of work."""

    title: str
    """What the scale is for; every title shows it."""
    seeds: list[Whole] = Field(min_length=1)
    """Random seeds; every defense is trained once from each."""
    claim_seeds: list[Whole] = Field(default_factory=list)
    """Seeds for defenses in claims, instead of `seeds`; without it, `seeds`. The first
    of both must be the same."""
    stand_ins: StandIns = StandIns()
    """Smaller data sets and networks that replace the papers'."""
    training: Training = Training()
    """How many images and steps trainings use."""
    projection: Projecting = Projecting()
    """How much is projected onto generators."""
    precision: Precision = "float32"
    """The precision of networks in training and attacks, where a schedule or `evaluation`
    names no other. Losses, weights and flows stay in float32, and so do verdicts."""
    deterministic: bool = True
    """Whether kernels are chosen that give the same numbers each time; without it, cuDNN
    tries several and takes the fastest, and a result may differ when it is made again."""
    evaluation: Evaluation
    """How defenses are evaluated."""
    limits: Limits = Limits()
    """Upper limits for attacks."""
    shards: Shards = Shards()
    """What is split into several jobs."""
    resources: dict[str, Resources]
    """What each step requests from a cluster; `default` is for all others."""
    rate: Rate
    """How fast one device computes."""
    pages: dict[Word, dict[Word, Part]] = Field(default_factory=dict)
    """For each paper, the tables and figures that are made by default, and how much of
    each. Without it, everything."""
    overrides: Overrides = Overrides()
    """Changes to the other config files."""
