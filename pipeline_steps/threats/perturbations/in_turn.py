"""Several edits, each updated in turn with a fresh gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch, moved
from pipeline_steps.threats.perturbation import Perturbation
from pipeline_steps.threats.perturbations.together import shared_out


@dataclass(frozen=True)
class InTurn(Perturbation):
    """Applies edits one after the other and updates each in its own pass (JAT,
    Algorithm 2).

    A step takes the passes in the order of the parts: a warp before pixels is JAT's
    spatial-pixel attack, pixels before a warp its pixel-spatial attack.
    """

    parts: list[Perturbation]

    @property
    def passes(self) -> int:
        return len(self.parts)

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def identity(self) -> bool:
        return all(part.identity for part in self.parts)

    def prepare(self, batch: Batch) -> Batch:
        # What the other parts edit is known only when those before them have moved.
        return self.parts[0].prepare(batch) if self.parts else batch

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        parameters: list[Tensor] = []
        for part in self.parts:
            batch = part.prepare(batch)
            own = part.start(batch, rng)
            parameters += own
            batch = moved(batch, part.apply(batch, own))
        return parameters

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
        turn, begin = iteration % self.passes, 0
        for part in self.parts[:turn]:
            # A part's budget is around what the parts before it have made of the image.
            own = parameters[begin : begin + part.size]
            batch = moved(batch, part.apply(batch, own))
            begin += part.size
        end = begin + self.parts[turn].size
        stepped = self.parts[turn].step(
            batch,
            parameters[begin:end],
            gradients[begin:end],
            iteration // self.passes,
        )
        return [*parameters[:begin], *stepped, *parameters[end:]]
