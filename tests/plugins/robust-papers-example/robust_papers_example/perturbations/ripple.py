"""Edits of brightness along a wave."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount, Count
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbation import Perturbation
from robust_papers_example.waves import wave


@dataclass(frozen=True)
class Ripple(Perturbation):
    """A wave of brightness, whose height is one number for each row of the image."""

    epsilon: Amount
    step_size: Amount
    crests: Count = 2

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        count, _, rows, _ = batch.images.shape
        return [batch.images.new_zeros(count, 1, rows, 1)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        edit = parameters[0] * wave(batch.images, self.crests)
        return (batch.images + edit).clamp(0, 1)

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        moved = parameters[0] + self.step_size * gradients[0].sign()
        return [moved.clamp(-self.epsilon, self.epsilon)]
