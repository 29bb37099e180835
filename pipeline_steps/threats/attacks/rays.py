"""RayS: an attack that sees only predicted classes and searches rays of signs (Chen and
Gu 2020)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount, Count, Positive
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.survivors import Group, Survivors
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Rays(Attack):
    """Flips the signs of ever smaller blocks where that shortens the distance to the
    boundary.

    An image is done when this distance is within the budget or its queries are used up.
    The tolerance of the binary search is a distance in L2.
    """

    epsilon: Amount
    queries: Count = 10_000
    tolerance: Positive = 1e-3

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        with victim.frozen(), torch.no_grad():
            survivors = Survivors(victim, batch, rng, "rays")
            if len(survivors):
                survivors.after(*self._search(victim, survivors.batch).outcome)
            survivors.attacked.used.clamp_max_(self.queries)
            return survivors.attacked

    def _search(self, victim: Victim, batch: Batch) -> Group:
        images = batch.images
        group = Group(
            images,
            clean=images,
            classes=batch.classes,
            signs=torch.ones_like(images),
            length=torch.full([len(images)], torch.inf, device=images.device),
            queries=torch.zeros(len(images), device=images.device),
        )
        size, level, block = images[0].numel(), 0, 0
        for _ in range(self.queries):
            group.keep((group["queries"] < self.queries).nonzero().squeeze(1))
            if not len(group):
                break
            wide = -(-size // 2**level)
            start, end = block * wide, min(size, (block + 1) * wide)
            signs = group["signs"].flatten(1).clone()
            signs[:, start:end] *= -1
            self._try(victim, group, signs.reshape_as(group["signs"]))
            block += 1
            if block == 2**level or end == size:
                level, block = level + 1, 0
        return group

    def _try(self, victim: Victim, group: Group, signs: Tensor) -> None:
        """Keeps the new signs where they bring the boundary nearer."""
        shorter = self._wrong(victim, group, signs, group["length"])
        left = shorter.nonzero().squeeze(1)
        if not len(left):
            return
        high = group["length"].clamp_max(signs[0].numel() ** 0.5)
        low = torch.zeros_like(high)
        while len(left):
            middle = (low + high) / 2
            wrong = self._wrong(victim, group, signs, middle, left)
            high[left] = torch.where(wrong, middle[left], high[left])
            low[left] = torch.where(wrong, low[left], middle[left])
            left = left[(high - low)[left] > self.tolerance]
        nearer = shorter & (high < group["length"])
        group["length"] = torch.where(nearer, high, group["length"])
        group["signs"] = torch.where(nearer[:, None, None, None], signs, group["signs"])
        edited = _along(group["clean"], group["signs"], group["length"])
        far = (edited - group["clean"]).abs().flatten(1).amax(dim=1)
        group.leave(nearer & (far <= self.epsilon), edited)

    def _wrong(
        self,
        victim: Victim,
        group: Group,
        signs: Tensor,
        length: Tensor,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Whether the model errs at this distance along the ray; one query for each
        image."""
        if rows is None:
            rows = torch.arange(len(group), device=length.device)
        edited = _along(group["clean"][rows], signs[rows], length[rows])
        group["queries"][rows] += 1
        group.used[group.rows[rows]] += 1
        logits = victim.logits_of(edited)
        return victim.misclassified(edited, logits, group["classes"][rows])


def _along(clean: Tensor, signs: Tensor, length: Tensor) -> Tensor:
    unit = signs / clean[0].numel() ** 0.5 if len(clean) else signs
    return (clean + length[:, None, None, None] * unit).clamp(0, 1)
