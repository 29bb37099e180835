"""Attacks that were crafted on another defense."""

from dataclasses import dataclass

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.threat import Attack, Threat
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Transfer(Attack):
    """The evaluated network is never queried (ATLD, table III; JAT, table 5)."""

    crafted_on: Victim
    threat: Threat

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        return self.threat.attack(self.crafted_on, batch, rng)
