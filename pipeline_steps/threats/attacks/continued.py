"""A second ascent in the same ball."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Attack, Count, Objective, Perturbation
from pipeline_steps.threats.ascent import climb
from pipeline_steps.threats.batch import Attacked, Batch


@dataclass(frozen=True)
class Continued:
    """Goes on from where another attack ended (ATLD table V, 'Cla-step20 + D-step1').

    The edit is of pixels. In a cascade its budget would lie around what the first attack
    has left; here both have one budget, around the image.
    """

    first: Attack
    edit: Perturbation
    objective: Objective
    steps: Count

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked:
        told = self.first(model, batch, rng)
        edit = _Begun(self.edit, told.images - batch.images)
        then = climb(model, batch, edit, self.objective, self.steps, rng)
        return replace(then, used=told.used + then.used)


@dataclass(frozen=True)
class _Begun:
    """An edit that starts from an addition which is there already."""

    edit: Perturbation
    addition: Tensor

    size = passes = 1

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        return [self.addition]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        edited: Tensor = self.edit.apply(batch, parameters)
        return edited

    def step(self, *told: Batch | Sequence[Tensor] | int) -> list[Tensor]:
        stepped: list[Tensor] = self.edit.step(*told)
        return stepped
