"""The loop behind every attack: ascend an objective over the parameters of an edit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.still import held_still

Move = Callable[[Batch, Sequence[Tensor], Sequence[Tensor]], list[Tensor]]


class Perturbation(Protocol):
    """A differentiable family of edits with a budget.

    The first dimension of each parameter is the batch. An edit whose steps are not all
    alike, or which needs a fresh pass for each of its parts, has a method `moves` too:
    the moves of step `number`, counted from 0, each as `step` and after a pass of its own.
    """

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
    """What an attack raises, for each image, told from the model's answer to the edit."""

    def __call__(self, logits: Tensor, batch: Batch, model: nn.Module) -> Tensor: ...


@dataclass(frozen=True)
class Course:
    """How the steps are taken. As it stands here: PGD, as most papers have it."""

    momentum: float = 0.0
    restarts: int = 1
    samples: int = 1
    """How many gradients are averaged for a step (EOT)."""
    stop: Literal["last", "any"] = "last"
    """Which iterate counts: the last, or any that fools the model. In the second case
    broken images leave the batch."""


PLAIN = Course()


def ascend(
    model: nn.Module,
    batch: Batch,
    perturbation: Perturbation,
    objective: Objective,
    steps: int,
    rng: Rng,
    course: Course = PLAIN,
) -> Tensor:
    """The edited images after so many steps; the model is left as it was."""
    told = climb(model, batch, perturbation, objective, steps, rng, course)
    return told.images


def climb(
    model: nn.Module,
    batch: Batch,
    perturbation: Perturbation,
    objective: Objective,
    steps: int,
    rng: Rng,
    course: Course = PLAIN,
) -> Attacked:
    """As `ascend`, and how many steps each image took."""
    with held_still(model):
        # What the model said in another attack may be out of date.
        batch = replace(batch, answers={})
        told = Attacked.untouched(batch)
        rows = torch.arange(len(batch.images), device=batch.images.device)
        for restart in range(course.restarts):
            if restart:
                # Only images that withstood all starts so far are tried again.
                fooled = fools(model, told.images[rows], batch.classes[rows])
                rows = rows[~fooled]
            whole = len(rows) == len(batch.images)
            path = _Path(
                model,
                batch if whole else batch.take(rows),
                perturbation,
                objective,
                rng if whole else rng.take(rows),
                course,
            )
            told.put(rows, *path.to_the_end(steps))
        return told


def fools(model: nn.Module, edited: Tensor, classes: Tensor) -> Tensor:
    """For each image whether the model is wrong."""
    with torch.no_grad():
        return model(edited).argmax(dim=1) != classes


class _Path:
    """One ascent from one start; images that are done leave it."""

    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        perturbation: Perturbation,
        objective: Objective,
        rng: Rng,
        course: Course,
    ) -> None:
        self.model, self.batch, self.course = model, batch, course
        self.perturbation, self.objective = perturbation, objective
        self.parameters = perturbation.start(batch, rng)
        self.rows = torch.arange(len(batch.images), device=batch.images.device)
        self.told = Attacked.untouched(batch)
        self.velocities: dict[int, list[Tensor]] = {}

    def to_the_end(self, steps: int) -> tuple[Tensor, Tensor]:
        """The edited images, and the steps that each of them took."""
        for number in range(steps if self.parameters else 0):
            for turn, move in enumerate(_moves(self.perturbation, number)):
                self._move(move, turn, number)
            if not len(self.rows) and self.course.stop == "any":
                break
        with torch.no_grad():
            edited = self.perturbation.apply(self.batch, self.parameters)
        if len(self.rows) == len(self.told.images):
            return edited, self.told.used + steps
        self.told.put(self.rows, edited, steps)
        return self.told.images, self.told.used

    def _move(self, move: Move, turn: int, number: int) -> None:
        leaves = [p.detach().requires_grad_() for p in self.parameters]
        edited, logits, gradients = self._look(leaves)
        with torch.no_grad():
            if self.course.stop == "any":
                leaves, gradients = self._let_go(
                    edited, logits, number, leaves, gradients
                )
            if self.course.momentum:
                gradients = self._hastened(turn, gradients)
            self.parameters = move(self.batch, leaves, gradients)

    def _look(self, leaves: list[Tensor]) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """The edit, the model's answer to it, and where the objective rises."""
        edited, logits, gradients = self._gradients(leaves)
        for _ in range(self.course.samples - 1):
            _, more_logits, more = self._gradients(leaves)
            logits = logits + more_logits
            gradients = [g + m for g, m in zip(gradients, more, strict=True)]
        if self.course.samples > 1:
            gradients = [gradient / self.course.samples for gradient in gradients]
        return edited, logits, gradients

    def _gradients(
        self, leaves: list[Tensor]
    ) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        edited = self.perturbation.apply(self.batch, leaves)
        logits = self.model(edited)
        gain = self.objective(logits, self.batch, self.model).sum()
        return edited.detach(), logits.detach(), torch.autograd.grad(gain, leaves)

    def _let_go(
        self,
        edited: Tensor,
        logits: Tensor,
        number: int,
        leaves: list[Tensor],
        gradients: Sequence[Tensor],
    ) -> tuple[list[Tensor], Sequence[Tensor]]:
        """Images that are broken are put aside, as they are now."""
        broken = logits.argmax(dim=1) != self.batch.classes
        exact = getattr(self.model, "exact", None)
        if exact is not None and broken.any():
            # A model of low precision may err where the verdict will not.
            classes = self.batch.classes[broken]
            broken[broken.clone()] = fools(exact, edited[broken], classes)
        if not broken.any():
            return leaves, gradients
        self.told.put(self.rows[broken], edited[broken], number)
        left = ~broken
        self.rows, self.batch = self.rows[left], self.batch.take(left)
        self.velocities = {
            turn: [v[left] for v in own] for turn, own in self.velocities.items()
        }
        return [p[left] for p in leaves], [g[left] for g in gradients]

    def _hastened(self, turn: int, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of one length, gathered over the steps (MIA)."""
        units = [_unit(gradient) for gradient in gradients]
        old = self.velocities.get(turn)
        if old:
            pairs = zip(old, units, strict=True)
            units = [self.course.momentum * v + unit for v, unit in pairs]
        self.velocities[turn] = units
        return units


def _moves(perturbation: Perturbation, number: int) -> Sequence[Move]:
    several = getattr(perturbation, "moves", None)
    return several(number) if several else [perturbation.step]


def _unit(gradient: Tensor) -> Tensor:
    """Of L1 norm one for each image; no gradient stays none."""
    lengths = gradient.abs().flatten(1).sum(dim=1).clamp_min(1e-30)
    return gradient / lengths.view(-1, *[1] * (gradient.dim() - 1))
