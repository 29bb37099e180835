"""Edits of single pixels: what is added to an image, inside a ball around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount
from pipeline_steps.threats.batch import Batch


@dataclass(frozen=True)
class Pixel:
    """An addition to the image, bounded in L∞."""

    epsilon: Amount
    step_size: Amount
    start_at: Literal["random", "zero"] = "random"
    boxed: bool = True
    """Whether the addition itself is cut so that the image stays in [0, 1]. Off where
    another edit moves the image first: only the outcome is cut then."""

    size = 1

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        if self.start_at == "zero":
            return [torch.zeros_like(batch.images)]
        noise = rng.uniform(batch.images.shape).to(batch.images)
        return [self._bounded(batch, (2 * noise - 1) * self.epsilon)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        edited = batch.images + parameters[0]
        # The cut passes gradients, or a saturated pixel could never come back.
        return edited + (edited.clamp(0, 1) - edited).detach()

    def step(
        self, batch: Batch, parameters: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> list[Tensor]:
        return [
            self._bounded(batch, parameters[0] + self.step_size * gradients[0].sign())
        ]

    def _bounded(self, batch: Batch, addition: Tensor) -> Tensor:
        bounded = addition.clamp(-self.epsilon, self.epsilon)
        if not self.boxed:
            return bounded
        return (batch.images + bounded).clamp(0, 1) - batch.images
