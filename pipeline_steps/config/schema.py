"""The whole config of a scale, with what users bring to it."""

from pipeline_steps.config.datasets import Dataset
from pipeline_steps.config.defenses import Defenses
from pipeline_steps.config.generators import Generator
from pipeline_steps.config.papers import Paper
from pipeline_steps.config.scales import Projecting, Scale, StandIns, Training
from pipeline_steps.config.threats import ThreatConfig
from pipeline_steps.config.user_models import Own
from pipeline_steps.core.settings import Settings, Word
from pipeline_steps.papers.names import Names
from pipeline_steps.papers.spec import BEST


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
    names: Names = Names()

    @property
    def judged(self) -> set[str]:
        """All that a row may name: defenses, their best weights, and models of your own."""
        trained = self.defenses.defenses
        best = {f"{name}{BEST}" for name, defense in trained.items() if defense.monitor}
        return {*trained, *best, *self.own.models}

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
