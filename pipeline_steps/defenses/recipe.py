"""A recipe says which images to learn from and which loss to take on them."""

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
        """The whole batch as the recipe wants to learn from it.

        For what ties the images of a batch together: the loss may see only the part of a
        batch that one of several processes has.
        """
        return batch

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch, rng: BatchRng | PartRng) -> Tensor:
        """A mean over images, each of which draws for itself."""


class CompanionRecipe(Recipe, ABC):
    """A recipe that trains a second network along: ATLD's discriminator of logits."""

    companion_steps: int
    """How many steps the companion takes for each of the model."""
    companion_rate: float
    """Its learning rate."""

    @abstractmethod
    def companion_loss(
        self, companion: nn.Module, natural: Tensor, attacked: Tensor, labels: Tensor
    ) -> Tensor:
        """Its loss on logits of natural and of attacked images."""


def build_recipe(entry: Entry, generators: Mapping[str, Generator]) -> Recipe:
    """A recipe from its entry in a spec, its threats built and its generators there."""
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
