"""Attacks that were crafted on another defense."""

from dataclasses import dataclass

from torch import nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Defense, Threat
from pipeline_steps.threats.batch import Attacked, Batch


@dataclass(frozen=True)
class Transfer:
    """The model at hand is never asked (ATLD, table III; JAT, table 5)."""

    crafted_on: Defense
    threat: Threat

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked:
        return self.threat(self.crafted_on, batch, rng)
