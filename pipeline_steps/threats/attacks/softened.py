"""Attacks whose gradients pass through a smooth form of a defense's inference."""

from dataclasses import dataclass

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.threat import Attack, Threat
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Softened(Attack):
    """As `adaptive`, but for the backward pass: where BPDA takes the inference for no
    change at all, the inference is differentiated here, with a soft sign for its sign.

    Forward passes, and so verdicts, are those of the defense as it answers.
    """

    threat: Threat

    sees_inference = True

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        return self.threat.attack(victim.softened(), batch, rng)
