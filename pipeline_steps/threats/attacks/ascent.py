"""The ascent of an edit, with its settings: most threats are this."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import (
    Count,
    NotNegative,
    Objective,
    Perturbation,
    Whole,
)
from pipeline_steps.threats.ascent import AscentOptions, climb
from pipeline_steps.threats.batch import Attacked, Batch


@dataclass(frozen=True)
class Ascent:
    """So many steps that raise an objective over the parameters of an edit."""

    edit: Perturbation
    objective: Objective
    steps: Whole
    momentum: NotNegative = 0.0
    restarts: Count = 1
    samples: Count = 1
    stop: Literal["last", "any"] = "last"

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked:
        course = AscentOptions(self.momentum, self.restarts, self.samples, self.stop)
        return climb(model, batch, self.edit, self.objective, self.steps, rng, course)
