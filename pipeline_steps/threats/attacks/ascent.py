"""The loop behind most threats: ascend an objective over the parameters of an edit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Count, NotNegative, Whole
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.perturbation import Perturbation
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Ascent(Attack):
    """Takes steps that raise an objective over the parameters of an edit.

    With its defaults it is PGD, as most papers define it.
    """

    edit: Perturbation
    objective: Objective
    steps: Whole
    momentum: NotNegative = 0.0
    restarts: Count = 1
    samples: Count = 1
    """How many gradients are averaged for a step (EOT)."""
    stop: Literal["last", "any"] = "last"
    """Which iterate counts: the last, or any on which the network errs. In the second
    case broken images leave the batch."""

    @property
    def keeps_batches(self) -> bool:  # type: ignore[override]
        return self.stop == "last" and self.restarts == 1

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        return ascend(self, victim, batch, rng)


def ascend(ascent: Ascent, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
    """The edited images, and how many steps each took; the network is left as it was."""
    with victim.frozen():
        batch = prepared(ascent, victim, batch, rng)
        rows = torch.arange(len(batch.images), device=batch.images.device)
        path = _Path(ascent, victim, batch, rng)
        attacked = Attacked.untouched(batch, path.moves)
        attacked.put(rows, *path.to_the_end())
        for _ in range(ascent.restarts - 1):
            # Only images that withstood all starts so far are tried again.
            edited = attacked.images[rows]
            logits = victim.logits_of(edited)
            broken = victim.misclassified(edited, logits, batch.classes[rows])
            rows = rows[~broken]
            if not len(rows):
                break
            if len(rows) == len(batch.images):
                path = _Path(ascent, victim, batch, rng)
            else:
                path = _Path(ascent, victim, batch.take(rows), rng.take(rows))
            attacked.put(rows, *path.to_the_end())
        return attacked


def prepared(ascent: Ascent, victim: Victim, batch: Batch, rng: Rng) -> Batch:
    """The batch with all that is computed once, however many steps and starts follow."""
    objective = ascent.objective
    clean = victim.logits_of(batch.images) if objective.compares else None
    batch = replace(batch, clean_logits=clean)
    targets = objective.aim(batch, victim, rng)
    if targets is not None:
        batch = replace(batch, targets=targets)
    return ascent.edit.prepare(batch)


class _Path:
    """One ascent from one start; images that are done leave it."""

    def __init__(self, ascent: Ascent, victim: Victim, batch: Batch, rng: Rng) -> None:
        self.ascent, self.victim, self.batch = ascent, victim, batch
        self.parameters = ascent.edit.start(batch, rng)
        self.moves = ascent.edit.flow(self.parameters) is not None
        self.rows = torch.arange(len(batch.images), device=batch.images.device)
        self.attacked = Attacked.untouched(batch, self.moves)
        # By the turn of the pass within a step: edits in turn have velocities each.
        self.velocities: dict[int, list[Tensor]] = {}

    def to_the_end(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """The edited images, the steps that each of them took, and how pixels moved."""
        edit, steps = self.ascent.edit, self.ascent.steps
        for iteration in range(steps * edit.passes if self.parameters else 0):
            self._move(iteration)
            if not len(self.rows) and self.ascent.stop == "any":
                break
        with torch.no_grad():
            edited = edit.apply(self.batch, self.parameters)
        flow = edit.flow(self.parameters)
        if len(self.rows) == len(self.attacked.images):
            return edited, self.attacked.used + steps, flow
        self.attacked.put(self.rows, edited, steps, flow)
        return self.attacked.images, self.attacked.used, self.attacked.flow

    def _move(self, iteration: int) -> None:
        edit = self.ascent.edit
        step, turn = divmod(iteration, edit.passes)
        leaves = [p.detach().requires_grad_() for p in self.parameters]
        edited, logits, gradients = self._look(leaves)
        with torch.no_grad():
            if self.ascent.stop == "any":
                classes = self.batch.classes
                broken = self.victim.misclassified(edited, logits, classes)
                # A start may lie outside [0, 1], where nothing is an image.
                broken &= (edited == edited.clamp(0, 1)).flatten(1).all(1)
                out = broken.nonzero().squeeze(1)
                if len(out):
                    flow = edit.flow([leaf[out] for leaf in leaves])
                    self.attacked.put(self.rows[out], edited[out], step, flow)
                    kept = (~broken).nonzero().squeeze(1)
                    leaves, gradients = self._keep(kept, leaves, gradients)
            if self.ascent.momentum:
                gradients = self._with_momentum(turn, gradients)
            self.parameters = edit.step(self.batch, leaves, gradients, iteration)

    def _keep(
        self, kept: Tensor, leaves: list[Tensor], gradients: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The parameters and gradients of the images that stay."""
        self.rows, self.batch = self.rows[kept], self.batch.take(kept)
        for turn, velocity in self.velocities.items():
            self.velocities[turn] = [v[kept] for v in velocity]
        return [p[kept] for p in leaves], [g[kept] for g in gradients]

    def _look(self, leaves: list[Tensor]) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """The edit, the network's answer to it, and where the objective rises."""
        samples = self.ascent.samples
        edited, logits, gradients = self._gradients(leaves)
        for _ in range(samples - 1):
            _, more_logits, more = self._gradients(leaves)
            logits = logits + more_logits
            gradients = [g + m for g, m in zip(gradients, more, strict=True)]
        if samples > 1:
            gradients = [gradient / samples for gradient in gradients]
        return edited, logits, gradients

    def _gradients(
        self, leaves: list[Tensor]
    ) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        edited = self.ascent.edit.apply(self.batch, leaves)
        logits = self.victim(edited)
        gain = self.ascent.objective(logits, self.batch, self.victim).sum()
        # What an edit draws once and keeps, such as Snow's streaks, has no gradient.
        gradients = torch.autograd.grad(
            gain, leaves, allow_unused=True, materialize_grads=True
        )
        return edited.detach(), logits.detach(), gradients

    def _with_momentum(self, turn: int, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of one length, gathered over the steps (MIA)."""
        units = [_unit(gradient) for gradient in gradients]
        old = self.velocities.get(turn)
        if old:
            pairs = zip(old, units, strict=True)
            units = [self.ascent.momentum * v + unit for v, unit in pairs]
        self.velocities[turn] = units
        return units


def _unit(gradient: Tensor) -> Tensor:
    """Of L1 norm one for each image; no gradient stays none."""
    lengths = gradient.abs().flatten(1).sum(dim=1).clamp_min(1e-30)
    return gradient / lengths.view(-1, *[1] * (gradient.dim() - 1))
