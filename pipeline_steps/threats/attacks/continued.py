"""A second ascent in the same ball."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Count
from pipeline_steps.threats.attacks.ascent import Ascent
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.perturbation import Perturbation
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Continued(Attack):
    """Goes on from where another attack ended (ATLD table V, 'Cla-step20 + D-step1').

    The edit is of pixels. In a cascade its budget would lie around what the first attack
    has left; here both have one budget, around the image.
    """

    first: Attack
    edit: Perturbation
    objective: Objective
    steps: Count

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        first = self.first(victim, batch, rng)
        edit = _Begun(self.edit, first.images - batch.images)
        then = Ascent(edit, self.objective, self.steps)(victim, batch, rng)
        return replace(then, used=first.used + then.used)


@dataclass(frozen=True)
class _Begun(Perturbation):
    """An edit that starts from an addition which is there already."""

    edit: Perturbation
    addition: Tensor

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        return [self.addition]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        return self.edit.apply(batch, parameters)

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        return self.edit.step(batch, parameters, gradients, iteration)
