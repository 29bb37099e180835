"""The loop behind every attack: ascend an objective over the parameters of an edit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.frozen import frozen, logits_of, misclassified


class Perturbation(Protocol):
    """A differentiable family of edits with a budget.

    The first dimension of each parameter is the batch. One that moves pixels has a method
    `flow` too: from its parameters to where each pixel is fetched.
    """

    @property
    def size(self) -> int:
        """How many tensors its parameters are."""
        ...

    @property
    def passes(self) -> int:
        """How many passes a step takes, each with a fresh gradient; mostly one."""
        ...

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]: ...

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor: ...

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        """The parameters after the pass of this number, counted from 0."""
        ...


class Objective(Protocol):
    """What an attack raises, for each image, told from the model's answer to the edit.

    One that leads to a class has a method `aim` too, which chooses it for each image.
    """

    def __call__(self, logits: Tensor, batch: Batch, model: nn.Module) -> Tensor: ...


@dataclass(frozen=True)
class AscentOptions:
    """How the steps are taken. As it stands here: PGD, as most papers have it."""

    momentum: float = 0.0
    restarts: int = 1
    samples: int = 1
    """How many gradients are averaged for a step (EOT)."""
    stop: Literal["last", "any"] = "last"
    """Which iterate counts: the last, or any that fools the model. In the second case
    broken images leave the batch."""


PLAIN = AscentOptions()


def ascend(
    model: nn.Module,
    batch: Batch,
    perturbation: Perturbation,
    objective: Objective,
    steps: int,
    rng: Rng,
    course: AscentOptions = PLAIN,
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
    course: AscentOptions = PLAIN,
) -> Attacked:
    """As `ascend`, and how many steps each image took."""
    with frozen(model):
        # What the model said in another attack may be out of date.
        batch = replace(batch, answers={})
        if hasattr(objective, "aim"):
            batch = replace(batch, targets=objective.aim(batch, model, rng))
        told = Attacked.untouched(batch, hasattr(perturbation, "flow"))
        rows = torch.arange(len(batch.images), device=batch.images.device)
        for restart in range(course.restarts):
            if restart:
                # Only images that withstood all starts so far are tried again.
                edited, classes = told.images[rows], batch.classes[rows]
                rows = rows[
                    ~misclassified(model, edited, logits_of(model, edited), classes)
                ]
                if not len(rows):
                    break
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


class _Path:
    """One ascent from one start; images that are done leave it."""

    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        perturbation: Perturbation,
        objective: Objective,
        rng: Rng,
        course: AscentOptions,
    ) -> None:
        self.model, self.batch, self.course = model, batch, course
        self.perturbation, self.objective = perturbation, objective
        self.parameters = perturbation.start(batch, rng)
        self.rows = torch.arange(len(batch.images), device=batch.images.device)
        self.told = Attacked.untouched(batch, hasattr(perturbation, "flow"))
        self.velocities: dict[int, list[Tensor]] = {}

    def to_the_end(self, steps: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """The edited images, the steps that each of them took, and how pixels moved."""
        passes = self.perturbation.passes
        for iteration in range(steps * passes if self.parameters else 0):
            self._move(iteration)
            if not len(self.rows) and self.course.stop == "any":
                break
        with torch.no_grad():
            edited = self.perturbation.apply(self.batch, self.parameters)
        flow = self._flow(self.parameters)
        if len(self.rows) == len(self.told.images):
            return edited, self.told.used + steps, flow
        self.told.put(self.rows, edited, steps, flow)
        return self.told.images, self.told.used, self.told.flow

    def _flow(self, parameters: Sequence[Tensor]) -> Tensor | None:
        told: Tensor | None = None
        if hasattr(self.perturbation, "flow"):
            told = self.perturbation.flow(parameters)
        return told

    def _move(self, iteration: int) -> None:
        step, turn = divmod(iteration, self.perturbation.passes)
        leaves = [p.detach().requires_grad_() for p in self.parameters]
        edited, logits, gradients = self._look(leaves)
        with torch.no_grad():
            if self.course.stop == "any":
                broken = misclassified(self.model, edited, logits, self.batch.classes)
                # A start may lie outside [0, 1], where nothing is an image.
                broken &= (edited == edited.clamp(0, 1)).flatten(1).all(1)
                if broken.any():
                    gone = [leaf[broken] for leaf in leaves]
                    found = edited[broken], step, self._flow(gone)
                    self.told.put(self.rows[broken], *found)
                    leaves, gradients = self._left(~broken, leaves, gradients)
            if self.course.momentum:
                gradients = self._hastened(turn, gradients)
            self.parameters = self.perturbation.step(
                self.batch, leaves, gradients, iteration
            )

    def _left(
        self, left: Tensor, leaves: list[Tensor], gradients: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """What belongs to the images that are left."""
        self.rows, self.batch = self.rows[left], self.batch.take(left)
        for turn, velocity in self.velocities.items():
            self.velocities[turn] = [v[left] for v in velocity]
        return [p[left] for p in leaves], [g[left] for g in gradients]

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
        # What an edit draws once and keeps, such as Snow's streaks, has no gradient.
        gradients = torch.autograd.grad(
            gain, leaves, allow_unused=True, materialize_grads=True
        )
        return edited.detach(), logits.detach(), gradients

    def _hastened(self, turn: int, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of one length, gathered over the steps (MIA)."""
        units = [_unit(gradient) for gradient in gradients]
        old = self.velocities.get(turn)
        if old:
            pairs = zip(old, units, strict=True)
            units = [self.course.momentum * v + unit for v, unit in pairs]
        self.velocities[turn] = units
        return units


def _unit(gradient: Tensor) -> Tensor:
    """Of L1 norm one for each image; no gradient stays none."""
    lengths = gradient.abs().flatten(1).sum(dim=1).clamp_min(1e-30)
    return gradient / lengths.view(-1, *[1] * (gradient.dim() - 1))
