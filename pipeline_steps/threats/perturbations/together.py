"""Several edits at once: one backward pass moves the parameters of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch, moved
from pipeline_steps.threats.perturbation import Perturbation


@dataclass(frozen=True)
class Together(Perturbation):
    """Edits applied one after the other and ascended simultaneously (IJSAT eq. 7,
    8)."""

    parts: list[Perturbation]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def identity(self) -> bool:
        return all(part.identity for part in self.parts)

    def prepare(self, batch: Batch) -> Batch:
        for part in self.parts:
            batch = part.prepare(batch)
        return batch

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        return [p for part in self.parts for p in part.start(batch, rng)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        for part, own in shared_out(self.parts, parameters):
            batch = moved(batch, part.apply(batch, own))
        return batch.images

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        pairs = zip(
            shared_out(self.parts, parameters),
            shared_out(self.parts, gradients),
            strict=True,
        )
        return [
            p
            for (part, own), (_, own_gradients) in pairs
            for p in part.step(batch, own, own_gradients, iteration)
        ]


def shared_out(
    parts: Sequence[Perturbation], tensors: Sequence[Tensor]
) -> Iterator[tuple[Perturbation, Sequence[Tensor]]]:
    """Pairs every part with its own tensors."""
    begin = 0
    for part in parts:
        yield part, tensors[begin : begin + part.size]
        begin += part.size
