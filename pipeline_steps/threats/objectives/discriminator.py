"""A discriminator's view of the logits: what ATLD's manifold attack raises."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.settings import Share
from pipeline_steps.threats.batch import Batch


@dataclass(frozen=True)
class Discriminator:
    """How sure a discriminator is that the logits are those of an attacked image.

    Its first output tells natural (1) from attacked (0), as in ATLD's released code. The
    share of the classifier's own loss is 0 in training and for ATLD's attack 'D', and 1
    for its '(Cla+D)'.
    """

    discriminator: Any
    classifier: Share = 0.0

    def __call__(self, logits: Tensor, batch: Batch, model: Any) -> Tensor:
        natural = self.discriminator(logits).flatten(1)[:, 0]
        gain = -functional.softplus(natural)  # -BCE(D(f(x)), 0)
        if self.classifier:
            loss = functional.cross_entropy(logits, batch.labels, reduction="none")
            gain = gain + self.classifier * loss
        return gain
