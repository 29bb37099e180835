"""Attacks whose gradients pass through a smooth form of a defense's inference."""

from dataclasses import dataclass

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.threat import Attack, Threat
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Softened(Attack):
    """Like `adaptive`, but with a backward pass through a smooth form of the inference.

    BPDA treats the inference as the identity; here it is differentiated, with a smooth
    function in place of its sign. Forward passes, and so verdicts, use the defense as it
    answers.
    """

    threat: Threat

    sees_inference = True

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        return self.threat.attack(victim.softened(), batch, rng)
