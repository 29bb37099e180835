"""The config as typed models; schema and reference page are made from them."""

from pydantic import Field

from pipeline_steps.core.settings import (
    Amount,
    Architecture,
    Count,
    Figure,
    GeneratorModel,
    Objective,
    Perturbation,
    Recipe,
    Settings,
    Share,
    Source,
    Whole,
    Word,
)
from pipeline_steps.datasets.spec import Augmentation
from pipeline_steps.defenses.spec import Schedule
from pipeline_steps.generators.spec import FlowTraining
from pipeline_steps.papers.spec import Claim, Column, Panel, Row


class Budgets(Settings):
    """How far an edit may go on this data set; threats speak in multiples of it."""

    image: Amount = Field(description="in image space, L∞, images in [0, 1]")
    latent: Amount = Field(description="in a flow's raw latents, L∞")


class Dataset(Settings):
    """A data set: where it comes from, what it holds, and how it is augmented."""

    title: str
    source: Source
    classes: Count
    size: Count = Field(description="height and width in pixels")
    channels: Count = 3
    test_share: Share = Field(
        0.0, description="kept for testing, where the source has no split of its own"
    )
    budgets: Budgets
    augmentation: Augmentation = Augmentation()


class Generator(Settings):
    """A generator and its training."""

    title: str
    model: GeneratorModel
    training: FlowTraining


class ThreatConfig(Settings):
    """An attack: an edit, what it shall achieve, and in how many steps."""

    title: str
    edit: Perturbation
    objective: Objective = "cross_entropy"
    steps: Whole


class Defense(Settings):
    """A network, the recipe that trains it, and the name of its schedule."""

    title: str
    architecture: Architecture
    recipe: Recipe
    schedule: str = Field(description="one of `schedules`")
    snapshots: Whole = Field(
        0, description="how often the weights are kept on the way, for curves"
    )


class Defenses(Settings):
    """The file of defenses: schedules first, since many defenses share one."""

    schedules: dict[Word, Schedule]
    defenses: dict[Word, Defense]


class Table(Settings):
    """A table of a paper: what it prints, and what stands behind each cell."""

    title: str
    dataset: str
    average: str | None = Field(None, description="name of the column of row means")
    columns: list[Column]
    rows: list[Row]


class FigureConfig(Settings):
    """A figure of a paper, or one of ours that belongs beside it."""

    title: str
    dataset: str
    figure: Figure
    panels: list[Panel]


class Paper(Settings):
    """One paper: its tables, its figures and its claims."""

    title: str
    authors: str
    tables: dict[Word, Table] = Field(default_factory=dict)
    figures: dict[Word, FigureConfig] = Field(default_factory=dict)
    claims: list[Claim] = Field(default_factory=list)


class Resources(Settings):
    """What a job of one step asks of a cluster."""

    threads: Count = 1
    memory_mb: Count = 4000
    minutes: Count = 60
    gpus: Whole = 0


class Evaluation(Settings):
    """On how many test images defenses are judged."""

    images: Count | None = Field(None, description="all of the test set if not stated")
    batch: Count
    kept: Whole = Field(8, description="edited images kept for pictures")


class StandIns(Settings):
    """What takes a smaller one's place at this scale."""

    datasets: dict[str, str] = Field(default_factory=dict)
    architectures: dict[str, Architecture] = Field(default_factory=dict)


class Overrides(Settings):
    """What this scale changes in the other files, key by key, before they are checked."""

    generators: dict[Word, dict] = Field(default_factory=dict)
    threats: dict[Word, dict] = Field(default_factory=dict)
    defenses: dict[Word, dict] = Field(default_factory=dict)


class Scale(Settings):
    """How large everything is; the shape of the work is the same at every scale."""

    title: str
    seeds: list[Whole] = Field(min_length=1)
    stand_ins: StandIns = StandIns()
    evaluation: Evaluation
    resources: dict[str, Resources] = Field(
        description="by step; `default` for the rest"
    )
    overrides: Overrides = Overrides()


class Config(Settings):
    """Everything that is to be computed at one scale."""

    name: str
    scale: Scale
    datasets: dict[Word, Dataset]
    generators: dict[Word, Generator]
    threats: dict[Word, ThreatConfig]
    defenses: Defenses
    papers: dict[Word, Paper]
