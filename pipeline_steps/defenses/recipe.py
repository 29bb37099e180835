"""A recipe says which images to learn from and which loss to take on them."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import BatchRng
from pipeline_steps.core.settings import Entry
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec


class Recipe(Protocol):
    """The loss of one training step; the loop around it is shared by all recipes."""

    def loss(self, model: nn.Module, batch: Batch, rng: BatchRng) -> Tensor: ...


def build_recipe(entry: Entry, generators: Mapping[str, Any]) -> Recipe:
    """A recipe from its entry in a spec, its threats built."""
    threats = {
        name: build_threat(ThreatSpec(**value), generators)
        for name, value in entry.items()
        if isinstance(value, dict) and "edit" in value
    }
    return make("recipe", entry, **threats)
