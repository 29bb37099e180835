"""Targeted attacks: towards one class, instead of away from the true one."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch


@dataclass(frozen=True)
class Targeted:
    """The log-likelihood of a wrong class: a random one, or the model's second choice."""

    target: Literal["random", "likeliest"] = "random"

    def aim(self, batch: Batch, model: Any, rng: Rng) -> Tensor:
        """One wrong class for each image."""
        logits, classes = batch.answer_of(model), batch.classes
        if self.target == "likeliest":
            return logits.scatter(1, classes[:, None], -torch.inf).argmax(dim=1)
        others = logits.shape[1] - 1
        drawn = (rng.uniform([len(classes)]).to(logits) * others).long()
        drawn = drawn.clamp_max(others - 1)
        return drawn + (drawn >= classes)

    def __call__(self, logits: Tensor, batch: Batch, model: Any) -> Tensor:
        assert batch.targets is not None
        return -functional.cross_entropy(logits, batch.targets, reduction="none")
