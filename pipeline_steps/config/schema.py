"""The whole config of a scale, with what users bring to it."""

from typing import Any

from pydantic import Field

from pipeline_steps.config.generator import Generator
from pipeline_steps.config.models import Dataset, Defenses, ThreatConfig
from pipeline_steps.config.paper_models import Paper
from pipeline_steps.config.scale_models import Projecting, Scale, StandIns, Training
from pipeline_steps.core.settings import InferenceEntry, Settings, Word
from pipeline_steps.papers.spec import Column


class OwnModel(Settings):
    """A model that was trained elsewhere: what makes it, and its weights."""

    title: str
    """What it is, in words."""
    factory: str = Field(pattern=r"^[^:]+:[A-Za-z_]\w*$")
    """The function that makes it: `FILE.py:NAME`, or `MODULE:NAME` of what is installed."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What the function is told."""
    weights: str
    """The file of its weights: safetensors, or a state dict that torch saved."""
    inference: InferenceEntry | None = None
    """What it does to images before it answers; what that asks, such as ATLD's
    discriminator, is the model's `companion`."""


class OwnRow(Settings):
    """A row of a table that is not from its paper."""

    name: str
    """What it is called there."""
    defense: str
    """The defense, or the model of your own, whose numbers it shows."""


class OwnTable(Settings):
    """A table of your own."""

    title: str
    """What it shows."""
    dataset: Word
    """The data set on which all of it is measured."""
    average: str | None = None
    """The name of a column of row means, if it shall have one."""
    columns: list[Column]
    """Its columns, from left to right."""
    rows: list[OwnRow]
    """Its rows, from the top."""


class Own(Settings):
    """What you bring: models, data sets, and the tables that show them."""

    datasets: dict[Word, Dataset] = Field(default_factory=dict)
    """As in datasets.yaml."""
    models: dict[Word, OwnModel] = Field(default_factory=dict)
    """Models by the names that stand in tables and paths."""
    rows: dict[Word, dict[Word, list[OwnRow]]] = Field(default_factory=dict)
    """By paper and table: rows that stand below the paper's own."""
    tables: dict[Word, OwnTable] = Field(default_factory=dict)
    """Tables by the names of their files; `snakemake own` makes them."""


class Config(Settings):
    """Everything that is to be computed at one scale."""

    name: Word
    scale: Scale
    datasets: dict[Word, Dataset]
    generators: dict[Word, Generator]
    threats: dict[Word, ThreatConfig]
    defenses: Defenses
    papers: dict[Word, Paper]
    own: Own = Own()

    @property
    def is_papers_size(self) -> bool:
        """Whether it is the papers' scale, and nothing makes it smaller than theirs."""
        scale = self.scale
        smaller = (scale.stand_ins, scale.training, scale.projection)
        changed = scale.overrides.model_dump(exclude_defaults=True)
        return (
            self.name == "paper"
            and smaller == (StandIns(), Training(), Projecting())
            and scale.evaluation.images is None
            and not changed
        )
