"""Trains a companion, step by step with its model."""

from typing import Any

import torch
from torch import nn

from pipeline_steps.core import workers
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.defenses.companion import Companion, trained_companion
from pipeline_steps.defenses.recipe import CompanionRecipe, Recipe
from pipeline_steps.defenses.spec import Schedule


class Tutor:
    """Trains a companion with its own optimiser, on the logits from the recipe's loss."""

    def __init__(
        self, companion: Companion, recipe: CompanionRecipe, schedule: Schedule
    ) -> None:
        self.companion, self.steps = companion, recipe.companion_steps
        self.optimiser = torch.optim.SGD(
            companion.parameters(),
            lr=recipe.companion_rate,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
        )
        self.loss_of = workers.shared(companion, recipe.companion_loss)

    def teach(self) -> None:
        for _ in range(self.steps):
            self.optimiser.zero_grad(set_to_none=True)
            self.loss_of(*self.companion.lesson).backward()
            self.optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        return self.optimiser.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimiser.load_state_dict(state)


def tutor_of(model: nn.Module, recipe: Recipe, schedule: Schedule) -> Tutor | None:
    """For recipes that train a companion; the others train the model alone."""
    companion = trained_companion(model)
    if companion is not None and isinstance(recipe, CompanionRecipe):
        return Tutor(companion, recipe, schedule)
    if companion is None and not isinstance(recipe, CompanionRecipe):
        return None
    raise PipelineError(
        "a recipe and its network must both have a companion, or neither; set or "
        "remove `companion` of this defense in workflow/config/defenses.yaml"
    )
