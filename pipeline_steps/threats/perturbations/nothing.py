"""No edit at all: the clean column of every table."""

from collections.abc import Sequence

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbation import Perturbation


class Nothing(Perturbation):
    """Leaves every image as it is."""

    size = 0

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        return []

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        return batch.images

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        return []
