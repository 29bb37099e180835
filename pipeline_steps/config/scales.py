"""The file of a scale: how large everything is."""

from pydantic import Field

from pipeline_steps.core.settings import (
    ArchitectureEntry,
    Count,
    Positive,
    Precision,
    Settings,
    Whole,
    Word,
)
from pipeline_steps.papers.spec import Panel


class Resources(Settings):
    """What a job of one step asks of a cluster."""

    threads: Count = 1
    """CPU cores."""
    memory_mb: Count = 4000
    """Main memory."""
    minutes: Count = 60
    """Time limit."""
    gpus: Whole = 0
    """GPUs."""


class Evaluation(Settings):
    """On how many test images defenses are judged."""

    images: Count | None = None
    """From the start of the test set; all if not stated."""
    batch: Count
    """Images that are attacked at once, at most: fewer where the device's memory ends."""
    precision: Precision = "float32"
    """In which numbers attacks compute; verdicts are always given in float32."""
    kept: Whole = 8
    """Edited images kept for pictures."""
    features: Word | None = None
    """Whose features tell how large each edit looks (LPIPS): those of the data set `vgg16`,
    or of a defense; without it, no such size is told."""


class Training(Settings):
    """On how many training images defenses learn, and for how long anything is trained."""

    images: Count | None = None
    """From the start of the training set; all if not stated."""
    steps: Count | None = None
    """Steps after which each training ends, a GAN's at each stage of its growth, as if
    they were all: for a trial of another scale. None ends early if not stated."""


class Projecting(Settings):
    """How much of a data set is projected onto a generator."""

    batches: Count | None = None
    """From the start of each split; the projections of these then stand in the place of
    all others too, over and over, for a trial of another scale. All if not stated."""


class Limits(Settings):
    """What an attack takes at the most, where all that counts is that it runs."""

    steps: Count | None = None
    """Steps, in training and in evaluation; as many as its entry says if not stated."""
    queries: Count | None = None
    """Queries of a black-box attack; likewise."""


class Shards(Settings):
    """Into how many jobs wide work is cut; no result depends on it."""

    threats: dict[Word, Count] = Field(default_factory=dict)
    """Evaluations under these threats; those not named are one job each."""
    generators: dict[Word, Count] = Field(default_factory=dict)
    """Projections onto these generators; those not named are one job each."""


class Rate(Settings):
    """How fast jobs compute, for plans made before there are records of any run."""

    device: str
    """What computes: one GPU, or one CPU core where no job asks for a GPU."""
    teraflops: Positive
    """Floating-point operations a second, in 10¹², that it sustains."""


class StandIns(Settings):
    """What takes a larger one's place at this scale."""

    datasets: dict[Word, Word] = Field(default_factory=dict)
    """By the name of the data set that a paper names."""
    architectures: dict[str, ArchitectureEntry] = Field(default_factory=dict)
    """By the word of the architecture that a defense names."""


class Part(Settings):
    """How much of a table or figure a scale computes; all, if neither is stated."""

    defenses: list[str] | None = None
    """Rows, or panels, of these."""
    threats: list[Word] | None = None
    """Columns, or panels, of these."""

    def shows(self, panel: Panel) -> bool:
        """Whether a figure keeps this panel."""
        parts = ((panel.defense, self.defenses), (panel.threat, self.threats))
        return all(names is None or name in (None, *names) for name, names in parts)


class Overrides(Settings):
    """What this scale changes in the other files, key by key, before they are checked."""

    generators: dict[Word, dict] = Field(default_factory=dict)
    """Laid over generators.yaml."""
    threats: dict[Word, dict] = Field(default_factory=dict)
    """Laid over threats.yaml."""
    defenses: dict[Word, dict] = Field(default_factory=dict)
    """Laid over defenses.yaml."""


class Scale(Settings):
    """How large everything is; the shape of the work is the same at every scale."""

    title: str
    """What it is for, in words; it stands in every title."""
    seeds: list[Whole] = Field(min_length=1)
    """Every defense is trained once from each."""
    claim_seeds: list[Whole] = Field(default_factory=list)
    """Those that claims speak of are trained from these instead; from `seeds`, if none is
    stated. The first is the same."""
    stand_ins: StandIns = StandIns()
    """Smaller data sets and networks in the papers' place."""
    training: Training = Training()
    """What defenses learn from."""
    projection: Projecting = Projecting()
    """What is projected onto generators."""
    evaluation: Evaluation
    """How defenses are judged."""
    limits: Limits = Limits()
    """How long attacks may be."""
    shards: Shards = Shards()
    """What is cut into several jobs."""
    resources: dict[str, Resources]
    """By step; `default` for the rest."""
    rate: Rate
    """How fast one device computes."""
    pages: dict[Word, dict[Word, Part]] = Field(default_factory=dict)
    """By paper: the tables and figures that are made unless others are named, and how
    much of each; all of all papers if not stated."""
    overrides: Overrides = Overrides()
    """Changes of the other files."""
