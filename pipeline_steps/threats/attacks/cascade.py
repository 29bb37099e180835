"""Attacks one after the other, as isolated modules."""

from dataclasses import dataclass, replace

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch, moved
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Cascade(Attack):
    """Each attack edits what the one before it returned (JAT's Cascade, table 2)."""

    parts: list[Attack]

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        attacked = Attacked.untouched(batch)
        for part in self.parts:
            further = part(victim, moved(batch, attacked.images), rng)
            used = attacked.used + further.used
            attacked = replace(attacked, images=further.images, used=used)
        return attacked
