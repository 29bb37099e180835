"""Targeted attacks: towards one class, instead of away from the true one."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Comparing, clean_logits
from pipeline_steps.threats.victim import Victim

# The smallest lead of the true class over a target; smaller leads count as this one.
LEAST, FAR = 1e-4, 1e4


@dataclass(frozen=True)
class Targeted(Comparing):
    """The log-likelihood of a wrong class.

    It is a random one, the model's second choice, or the `nearest`: that whose boundary
    lies closest in front of the last layer, as far as one step can tell (Bilateral's MOSA).
    """

    target: Literal["random", "likeliest", "nearest"] = "random"

    def aim(self, batch: Batch, victim: Victim, rng: Rng) -> Tensor:
        """One wrong class for each image."""
        logits, classes = clean_logits(batch), batch.classes
        if self.target == "likeliest":
            return logits.scatter(1, classes[:, None], -torch.inf).argmax(dim=1)
        if self.target == "nearest":
            return nearest(logits, classes, last_weights(victim.fast, logits.shape[1]))
        others = logits.shape[1] - 1
        drawn = (rng.uniform([len(classes)]).to(logits) * others).long()
        drawn = drawn.clamp_max(others - 1)
        return drawn + (drawn >= classes)

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        assert batch.targets is not None
        return -functional.cross_entropy(logits, batch.targets, reduction="none")


def nearest(logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
    """The wrong class with the smallest ratio of lead to distance of weights.

    A class that is ahead already counts as far off, as in Bilateral's code. Unlike
    there, the true class is never chosen, even if all others are ahead.
    """
    lead = logits.gather(1, classes[:, None]) - logits
    lead = torch.where(lead > LEAST, lead, FAR)
    steps = lead / (weights[classes][:, None] - weights).norm(dim=2)
    return steps.scatter(1, classes[:, None], torch.inf).argmin(dim=1)


def last_weights(network: nn.Module, classes: int) -> Tensor:
    """The weights of the last linear layer, a row for each class."""
    weights = [
        module.weight
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
        and module.out_features == classes
        and "companion" not in name.split(".")
    ]
    if not weights:
        raise PipelineError(
            f"the target 'nearest' compares the weights of a last linear layer, and this "
            f"model has none with {classes} outputs; give the threat another target"
        )
    return weights[-1].detach().float()
