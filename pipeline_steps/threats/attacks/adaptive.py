"""Attacks that see what a defense optimises at inference."""

from dataclasses import dataclass

from torch import nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Threat
from pipeline_steps.threats.batch import Attacked, Batch


@dataclass(frozen=True)
class Adaptive:
    """A threat to the defense as it answers, its inference in every pass (BPDA).

    All other threats to such a defense climb on its static network, as in ATLD's code.
    """

    threat: Threat

    sees_inference = True

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked:
        return self.threat(model, batch, rng)
