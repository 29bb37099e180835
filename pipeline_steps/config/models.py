"""The config as typed models; schema and reference page are made from them."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from pipeline_steps.config.one_training import whole
from pipeline_steps.config.paper_models import Family, Part
from pipeline_steps.core.settings import (
    Amount,
    Architecture,
    Attack,
    Count,
    Inference,
    NotNegative,
    Objective,
    Perturbation,
    Positive,
    Precision,
    Recipe,
    Settings,
    Source,
    Threat,
    Whole,
    Word,
)
from pipeline_steps.datasets.spec import Augmentation, Cut
from pipeline_steps.defenses.spec import Schedule

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
    source: Source | None = None
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


class ThreatConfig(Settings):
    """An attack: an edit with its objective and steps, or one of another kind."""

    title: str
    """What it is, in words, with the paper's place."""
    edit: Perturbation | None = None
    """What may be changed, and how far."""
    objective: Objective = "cross_entropy"
    """What is raised at each step."""
    steps: Whole | None = None
    """How many steps are taken."""
    momentum: NotNegative = 0.0
    """How much of the last steps' direction goes on, each at L1 norm 1 (MIA)."""
    restarts: Count = 1
    """How many random starts an image must withstand."""
    samples: Count = 1
    """How many gradients are averaged for a step, against random defenses (EOT)."""
    stop: Literal["last", "any"] = "last"
    """Which iterate counts: the last, as in the papers, or any that fools the model."""
    attack: Attack | None = None
    """In an edit's place: an attack that goes a way of its own."""
    family: Family | None = None
    """What a calibration chooses its setting from; the threat itself is one of them."""
    images: Count | None = None
    """How many test images are attacked at the most: few, where only pictures show them."""


class MonitorConfig(Settings):
    """Accuracy that is watched while a defense is trained; the best epoch is kept."""

    threat: Threat
    """Under which threat."""
    every: Count = 1
    """Epochs from one look to the next."""
    images: Count = 500
    """How many images are looked at."""
    of: Literal["held_out", "test"] = "held_out"
    """The last images for training, which are then not learned from, or the first test
    images, as papers do: then what is called best was chosen on images that judge it."""


class Defense(Settings):
    """A network, the recipe that trains it, and the name of its schedule."""

    title: str
    """What it is, in words, with the paper's place."""
    architecture: Architecture
    """The network."""
    recipe: Recipe
    """Which images it learns from, and by which loss."""
    schedule: Word
    """One of `schedules`."""
    companion: Architecture | None = None
    """A network trained along, on logits: ATLD's discriminator."""
    weights_of: Word | None = None
    """Another defense, of which this is the trained network; all but the title and the
    inference is then said there."""
    inference: Inference | None = None
    """What it does to images before it answers; training knows nothing of it."""
    monitor: MonitorConfig | None = None
    """What is watched on the way; a row may then name `NAME.best`."""
    snapshots: Whole = 0
    """How often the weights are kept on the way, for curves over training."""
    snapshots_at_drops: bool = False
    """Whether they are kept besides before and after each drop of the learning rate."""


class Defenses(Settings):
    """The file of defenses: schedules first, since many defenses share one."""

    schedules: dict[Word, Schedule]
    """Courses of training, by name."""
    defenses: dict[Word, Defense]
    """Defenses, by the names that stand in tables and paths."""

    @field_validator("defenses", mode="before")
    @classmethod
    def _same_training(cls, told: Any) -> Any:
        """What a defense with the weights of another does not say is said there."""
        if not isinstance(told, Mapping):
            return told
        return {name: whole(name, entry, told) for name, entry in told.items()}


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
    architectures: dict[str, Architecture] = Field(default_factory=dict)
    """By the word of the architecture that a defense names."""


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
