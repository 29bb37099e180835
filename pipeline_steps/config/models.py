"""The config as typed models; schema and reference page are made from them."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from pipeline_steps.config.paper_models import Family
from pipeline_steps.config.shared_weights import whole
from pipeline_steps.core.settings import (
    Amount,
    ArchitectureEntry,
    AttackEntry,
    Count,
    InferenceEntry,
    NotNegative,
    ObjectiveEntry,
    PerturbationEntry,
    RecipeEntry,
    Settings,
    SourceEntry,
    ThreatName,
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


class ThreatConfig(Settings):
    """An attack: an edit with its objective and steps, or one of another kind."""

    title: str
    """What it is, in words, with the paper's place."""
    edit: PerturbationEntry | None = None
    """What may be changed, and how far."""
    objective: ObjectiveEntry = Field({"objective": "cross_entropy"})
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
    attack: AttackEntry | None = None
    """In an edit's place: an attack that goes a way of its own."""
    family: Family | None = None
    """What a calibration chooses its setting from; the threat itself is one of them."""
    images: Count | None = None
    """How many test images are attacked at the most: few, where only pictures show them."""


class MonitorConfig(Settings):
    """Accuracy that is watched while a defense is trained; the best epoch is kept."""

    threat: ThreatName
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
    architecture: ArchitectureEntry
    """The network."""
    recipe: RecipeEntry
    """Which images it learns from, and by which loss."""
    schedule: Word
    """One of `schedules`."""
    companion: ArchitectureEntry | None = None
    """A network trained along, on logits: ATLD's discriminator."""
    weights_of: Word | None = None
    """Another defense, of which this is the trained network; all but the title and the
    inference is then said there."""
    inference: InferenceEntry | None = None
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
