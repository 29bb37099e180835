"""Attacks that see what a defense optimises at inference."""

from dataclasses import dataclass

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.threat import Attack, Threat
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Adaptive(Attack):
    """A threat to the defense as it answers, its inference in every pass (BPDA).

    All other threats to such a defense run on its static network, as in ATLD's code.
    """

    threat: Threat

    sees_inference = True

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        return self.threat.attack(victim, batch, rng)
