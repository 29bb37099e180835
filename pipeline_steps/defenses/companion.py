"""A network that is trained along with a defense: ATLD's discriminator of logits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.core import workers
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.defenses.spec import Schedule


class Companion(nn.Module):
    """Sees logits as an image of one pixel with a channel a class (METHODS 4.1).

    The first of its answers tells natural (above 0) from attacked, the others the class.
    It is a part of its model, as `model.companion`, and so of the model's weights.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.lesson: tuple[Tensor, ...] = ()
        self.never_in_eval = False

    def forward(self, logits: Tensor) -> Tensor:
        return self.trunk(logits[:, :, None, None])

    def train(self, mode: bool = True) -> "Companion":
        return super().train(mode or self.never_in_eval)

    @contextmanager
    def by_batch(self, wanted: bool) -> Iterator[None]:
        """For a while, if it is wanted, each batch is judged by its own statistics.

        Attacks put the model into eval mode; the companion then stays in training mode,
        and its running statistics follow what it sees.
        """
        if not wanted:
            yield
            return
        mode = self.training
        self.never_in_eval = True
        self.train()
        try:
            yield
        finally:
            self.never_in_eval = False
            self.train(mode)

    def show(self, *lesson: Tensor) -> None:
        """What it shall learn from when the step's turn comes to it."""
        self.lesson = tuple(tensor.detach() for tensor in lesson)


def own_parameters(model: nn.Module) -> list[nn.Parameter]:
    """What the model itself learns with: all parameters but its companion's."""
    named = model.named_parameters()
    return [tensor for name, tensor in named if not name.startswith("companion.")]


class Tutor:
    """Trains a companion by its own optimiser on what the recipe's loss has shown it."""

    def __init__(self, companion: Companion, recipe: Any, schedule: Schedule) -> None:
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


def tutor_of(model: nn.Module, recipe: Any, schedule: Schedule) -> Tutor | None:
    """For recipes with a `companion_loss`; the others train the model alone."""
    companion = getattr(model, "companion", None)
    if (companion is None) != (not hasattr(recipe, "companion_loss")):
        raise PipelineError(
            "a recipe and its network must both have a companion, or neither; set or "
            "remove `companion` of this defense in workflow/config/defenses.yaml"
        )
    return None if companion is None else Tutor(companion, recipe, schedule)
