"""Several edits at once: one backward pass moves the parameters of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Perturbation
from pipeline_steps.threats.batch import Batch


@dataclass(frozen=True)
class Together:
    """Edits one after the other on the image, ascended simultaneously (IJSAT eq. 7, 8)."""

    parts: list[Perturbation]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        return [p for part in self.parts for p in part.start(batch, rng)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        for part, own in self._shared_out(parameters):
            # Moved images lie elsewhere on a manifold: they must be encoded anew.
            batch = replace(batch, images=part.apply(batch, own), latents={})
        return batch.images

    def step(
        self, batch: Batch, parameters: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> list[Tensor]:
        pairs = zip(
            self._shared_out(parameters), self._shared_out(gradients), strict=True
        )
        return [p for (part, own), (_, g) in pairs for p in part.step(batch, own, g)]

    def _shared_out(
        self, tensors: Sequence[Tensor]
    ) -> Iterator[tuple[Any, Sequence[Tensor]]]:
        begin = 0
        for part in self.parts:
            yield part, tensors[begin : begin + part.size]
            begin += part.size
