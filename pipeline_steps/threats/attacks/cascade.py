"""Attacks one after the other, as isolated modules."""

from dataclasses import dataclass, replace

from torch import nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Attack
from pipeline_steps.threats.batch import Attacked, Batch, moved


@dataclass(frozen=True)
class Cascade:
    """Each attack edits what the one before it has left (JAT's Cascade, table 2)."""

    parts: list[Attack]

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked:
        told = Attacked.untouched(batch)
        for part in self.parts:
            one = part(model, moved(batch, told.images), rng)
            told = replace(told, images=one.images, used=told.used + one.used)
        return told
