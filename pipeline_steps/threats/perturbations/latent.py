"""Edits on a manifold: what is added to an image's latents before they are decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount, Generator
from pipeline_steps.threats.batch import Batch


@dataclass(frozen=True)
class Latent:
    """An addition to all latents of a generator, bounded in L∞."""

    generator: Generator
    epsilon: Amount
    step_size: Amount
    start_at: Literal["random", "zero"] = "random"

    size = 1

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        latents = batch.latents_of(self.generator)
        if self.start_at == "zero":
            return [torch.zeros_like(latents)]
        return [(2 * rng.uniform(latents.shape).to(latents) - 1) * self.epsilon]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        decoded = self.generator.decode(
            batch.latents_of(self.generator) + parameters[0]
        )
        return decoded + (decoded.clamp(0, 1) - decoded).detach()

    def step(
        self, batch: Batch, parameters: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> list[Tensor]:
        moved = parameters[0] + self.step_size * gradients[0].sign()
        return [moved.clamp(-self.epsilon, self.epsilon)]
