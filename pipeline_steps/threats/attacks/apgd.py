"""Auto-PGD, the first two parts of AutoAttack (Croce and Hein 2020)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount, Count
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.survivors import Group, Survivors
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim

MOMENTUM = 0.75  # The share of the new step; the rest goes on as before.
# The step is halved where fewer than this share of a window's steps raised the loss.
RISES = 0.75
WINDOW, SHORTER, SHORTEST = 0.22, 0.03, 0.06  # In shares of all steps.


@dataclass(frozen=True)
class Apgd(Attack):
    """PGD in L∞ with momentum, whose step is halved for each image when it stalls.

    With the loss `targeted` (DLR), once towards each of the model's next best classes.
    """

    epsilon: Amount
    loss: Literal["cross_entropy", "targeted"] = "cross_entropy"
    steps: Count = 100
    restarts: Count = 1
    targets: Count = 9

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        with victim.frozen():
            survivors = Survivors(victim, batch, rng, f"apgd-{self.loss}")
            # Ranks of the classes to aim at, the next best first; 0 where none is.
            ranks = range(1, 1 + self.targets) if self.loss == "targeted" else [0]
            for target in ranks:
                for _ in range(self.restarts):
                    if len(survivors):
                        self._run(victim, survivors, target)
            return survivors.attacked

    def _run(self, victim: Victim, survivors: Survivors, target: int) -> None:
        batch = survivors.batch
        targets = batch.classes
        if target:
            ranked = ranking(victim.logits_of(batch.images))
            if target >= ranked.shape[1]:
                return
            targets = ranked[:, target]
        noise = 2 * survivors.draws.uniform(batch.images.shape).to(batch.images) - 1
        largest = noise.abs().flatten(1).amax(dim=1)[:, None, None, None]
        start = (batch.images + self.epsilon * noise / largest).clamp(0, 1)
        survivors.after(*self._climb(victim, batch, targets, start).outcome)

    def _climb(
        self, victim: Victim, batch: Batch, targets: Tensor, start: Tensor
    ) -> Group:
        column = torch.zeros(len(start), device=start.device)
        group = Group(
            batch.images,
            clean=batch.images,
            classes=batch.classes,
            targets=targets,
            point=start,
            before=start,
            step=column[:, None, None, None] + 2 * self.epsilon,
            best=start,
            best_loss=column - torch.inf,
            best_gradient=torch.zeros_like(start),
            # As in the released code, the loss after the first step is compared with 0.
            loss=column,
            rises=column,
            reduced=column + 1,
            best_at_check=column,
        )
        self._look(victim, group)
        group["loss"] = torch.zeros_like(group["loss"])
        group["rises"] = torch.zeros_like(group["rises"])
        group["best_at_check"] = group["best_loss"]
        window, since = max(int(WINDOW * self.steps), 1), 0
        for number in range(self.steps):
            if not len(group):
                break
            self._move(group, MOMENTUM if number else 1.0)
            self._look(victim, group)
            since += 1
            if since == window:
                _check(group, window)
                window = max(
                    window - max(int(SHORTER * self.steps), 1),
                    max(int(SHORTEST * self.steps), 1),
                )
                since = 0
        return group

    def _move(self, group: Group, share: float) -> None:
        point, clean = group["point"], group["clean"]
        low = (clean - self.epsilon).clamp_min(0)
        high = (clean + self.epsilon).clamp_max(1)
        there = point + group["step"] * group["gradient"].sign()
        there = there.clamp(low, high)
        momentum = (point - group["before"]) * (1 - share)
        there = (point + (there - point) * share + momentum).clamp(low, high)
        group["before"], group["point"] = point, there

    def _look(self, victim: Victim, group: Group) -> None:
        """The loss and its gradient here. Broken images leave; the best image so far is
        kept."""
        leaf = group["point"].detach().requires_grad_()
        logits = victim(leaf)
        if self.loss == "targeted":
            loss = difference_of_logits(logits, group["classes"], group["targets"])
        else:
            loss = functional.cross_entropy(logits, group["classes"], reduction="none")
        (group["gradient"],) = torch.autograd.grad(loss.sum(), leaf)
        loss, logits = loss.detach(), logits.detach()
        group["rises"] = group["rises"] + (loss > group["loss"])
        group["loss"] = loss
        better = loss > group["best_loss"]
        group["best_loss"] = torch.where(better, loss, group["best_loss"])
        for name in ("point", "gradient"):
            best = "best" if name == "point" else f"best_{name}"
            group[best] = torch.where(
                better[:, None, None, None], group[name], group[best]
            )
        group.spend()
        point = group["point"]
        group.leave(victim.misclassified(point, logits, group["classes"]), point)


def _check(group: Group, window: int) -> None:
    """Halves the step, and goes back to the best image, where the loss rose too
    seldom."""
    stalled = group["rises"] <= RISES * window
    idle = (group["reduced"] == 0) & (group["best_at_check"] >= group["best_loss"])
    halved = stalled | idle
    group["reduced"], group["best_at_check"] = halved.float(), group["best_loss"]
    group["rises"] = torch.zeros_like(group["rises"])
    wide = halved[:, None, None, None]
    group["step"] = torch.where(wide, group["step"] / 2, group["step"])
    group["point"] = torch.where(wide, group["best"], group["point"])
    group["gradient"] = torch.where(wide, group["best_gradient"], group["gradient"])


def ranking(logits: Tensor) -> Tensor:
    """The classes from the likeliest to the least likely."""
    return logits.argsort(dim=1).flip(1)


def difference_of_logits(logits: Tensor, classes: Tensor, targets: Tensor) -> Tensor:
    """The targeted difference-of-logits-ratio loss, which no scaling changes."""
    if logits.shape[1] < 4:
        raise PipelineError(
            "the targeted loss of AutoAttack needs at least four classes; use the loss "
            "cross_entropy, or another threat in threats.yaml"
        )
    ordered = logits.sort(dim=1).values
    width = ordered[:, -1] - 0.5 * (ordered[:, -3] + ordered[:, -4])
    own = logits.gather(1, classes[:, None]).squeeze(1)
    wanted = logits.gather(1, targets[:, None]).squeeze(1)
    return (wanted - own) / (width + 1e-12)
