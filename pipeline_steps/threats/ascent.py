"""The loop behind every attack: ascend an objective over the parameters of an edit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch


class Perturbation(Protocol):
    """A differentiable family of edits with a budget."""

    @property
    def size(self) -> int:
        """How many tensors its parameters are."""
        ...

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]: ...

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor: ...

    def step(
        self, batch: Batch, parameters: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> list[Tensor]: ...


class Objective(Protocol):
    """What an attack raises, for each image."""

    def __call__(self, model: nn.Module, edited: Tensor, batch: Batch) -> Tensor: ...


def ascend(
    model: nn.Module,
    batch: Batch,
    perturbation: Perturbation,
    objective: Objective,
    steps: int,
    rng: Rng,
) -> Tensor:
    """The edited images after so many steps; the model is left as it was."""
    with held_still(model):
        parameters = perturbation.start(batch, rng)
        for _ in range(steps if parameters else 0):
            leaves = [parameter.detach().requires_grad_() for parameter in parameters]
            edited = perturbation.apply(batch, leaves)
            gain = objective(model, edited, batch).sum()
            gradients = torch.autograd.grad(gain, leaves)
            with torch.no_grad():
                parameters = perturbation.step(batch, leaves, gradients)
        with torch.no_grad():
            return perturbation.apply(batch, parameters)


@contextmanager
def held_still(model: nn.Module) -> Iterator[None]:
    """Eval mode and frozen parameters for a while, then everything as before."""
    modes = [(module, module.training) for module in model.modules()]
    frozen = [(p, p.requires_grad) for p in model.parameters()]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, wanted in frozen:
            parameter.requires_grad_(wanted)
