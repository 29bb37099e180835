"""Ascents in one line, on a network just as it is."""

from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.attacks.ascent import Ascent
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.perturbation import Perturbation
from pipeline_steps.threats.victim import Victim


def attacked(
    model: nn.Module,
    batch: Batch,
    edit: Perturbation,
    objective: Objective,
    steps: int,
    rng: Rng,
    **options: float | str,
) -> Attacked:
    return Ascent(edit, objective, steps, **options)(Victim.of(model), batch, rng)


def ascend(*inputs, **options) -> Tensor:
    return attacked(*inputs, **options).images
