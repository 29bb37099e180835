"""A recipe says which images to learn from and which loss to take on them."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import BatchRng, Rng
from pipeline_steps.core.settings import Entry
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec


class Recipe(Protocol):
    """The loss of one training step; the loop around it is shared by all recipes.

    The loss is a mean over images, each of which draws for itself, for the batch may be
    one process's part of a larger one. A recipe for which images of a batch belong
    together has `prepare(batch, rng)` besides, which is given the whole of it first.
    """

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor: ...


def prepared(recipe: Recipe, batch: Batch, rng: BatchRng) -> Batch:
    """The whole batch as the recipe wants to learn from it."""
    prepare = getattr(recipe, "prepare", None)
    return prepare(batch, rng) if prepare else batch


def build_recipe(entry: Entry, generators: Mapping[str, Any]) -> Recipe:
    """A recipe from its entry in a spec, its threats built and its generators there."""
    given: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, dict) and value.keys() & {"attack", "edit"}:
            given[name] = build_threat(ThreatSpec(**value), generators)
        elif isinstance(value, dict) and "generator" in value:
            given[name] = generators[value["name"]]
    return make("recipe", entry, **given)
