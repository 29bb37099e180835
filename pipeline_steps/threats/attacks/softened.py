"""Attacks whose gradients pass through a smooth form of a defense's inference."""

from dataclasses import dataclass

from torch import nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Threat
from pipeline_steps.threats.batch import Attacked, Batch


@dataclass(frozen=True)
class Softened:
    """As `adaptive`, but for the backward pass: where BPDA takes the inference for no
    change at all, the inference is differentiated here, with a soft sign for its sign.

    Forward passes, and so verdicts, are those of the defense as it answers.
    """

    threat: Threat

    sees_inference = True

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked:
        softened = getattr(model, "softened", None)
        return self.threat(softened() if softened else model, batch, rng)
