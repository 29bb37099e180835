"""The margin: how far the best wrong class is above the true one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.core.settings import NotNegative
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Margin(Objective):
    """The margin of Carlini and Wagner's attack, capped at the confidence."""

    confidence: NotNegative = 50.0

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        return -(self.confidence - margins(logits, batch.classes)).clamp_min(0)


def margins(logits: Tensor, classes: Tensor) -> Tensor:
    """The best other class above this one; above 0 where the model is fooled."""
    own = logits.gather(1, classes[:, None]).squeeze(1)
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return others.amax(dim=1) - own
