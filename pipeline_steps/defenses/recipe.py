"""A recipe says which images to train on and which loss to use."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make, path_of
from pipeline_steps.core.rng import BatchRng, PartRng
from pipeline_steps.core.settings import Entry
from pipeline_steps.generators.generator import Generator
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.threat import Threat


class Recipe(ABC):
    """The loss of one training step; the loop around it is shared by all recipes."""

    def prepare(self, batch: Batch, rng: BatchRng) -> Batch:
        """The whole batch, prepared for the loss.

        For work that combines images of a batch, because with several processes the
        loss sees only one process's part.
        """
        return batch

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch, rng: BatchRng | PartRng) -> Tensor:
        """The mean loss over images; each image has random numbers of its own."""


class CompanionRecipe(Recipe, ABC):
    """A recipe that also trains a second network: ATLD's discriminator of logits."""

    companion_steps: int
    """How many steps the companion takes for each step of the model."""
    companion_rate: float
    """Its learning rate."""

    @abstractmethod
    def companion_loss(
        self, companion: nn.Module, natural: Tensor, attacked: Tensor, labels: Tensor
    ) -> Tensor:
        """Its loss on logits of natural and of attacked images."""


def build_recipe(entry: Entry, generators: Mapping[str, Generator]) -> Recipe:
    """A recipe from its entry in a spec, with its threats and generators ready."""
    ready: dict[str, Threat | Generator] = {}
    for name, value in entry.items():
        if isinstance(value, dict) and value.keys() & {"attack", "edit"}:
            ready[name] = build_threat(ThreatSpec(**value), generators)
        elif isinstance(value, dict) and "generator" in value:
            ready[name] = generators[value["name"]]
    recipe = make("recipe", entry, **ready)
    if not isinstance(recipe, Recipe):
        raise PipelineError(
            f"{path_of('recipe', entry['recipe'])}: {type(recipe).__name__} must be "
            f"derived from {Recipe.__module__}.Recipe"
        )
    return recipe
