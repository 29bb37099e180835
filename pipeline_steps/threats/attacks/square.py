"""The Square attack, the last part of AutoAttack (Andriushchenko et al. 2020)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount, Count, Share
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.objectives.margin import margins
from pipeline_steps.threats.survivors import Group, Survivors
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim

# The squares' area is halved after these numbers of queries, out of 10,000.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
# Random numbers are drawn for this many queries at once.
DRAWN = 250


@dataclass(frozen=True)
class Square(Attack):
    """Adds random squares at full budget and keeps those that lower the margin; no
    gradients.

    Each image gets its own squares; the released code shares them within a batch.
    """

    epsilon: Amount
    queries: Count = 5000
    area: Share = 0.8

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        with victim.frozen(), torch.no_grad():
            survivors = Survivors(victim, batch, rng, "square")
            if len(survivors):
                group = self._search(victim, survivors.batch, survivors.draws)
                survivors.after(*group.outcome)
            return survivors.attacked

    def _search(self, victim: Victim, batch: Batch, rng: Rng) -> Group:
        images = batch.images
        count, channels, height, width = images.shape
        stripes = _signs(rng.uniform([count, channels, 1, width]).to(images))
        group = Group(
            images,
            clean=images,
            classes=batch.classes,
            best=images,
            margin=torch.full([count], -torch.inf, device=images.device),
        )
        self._try(victim, group, (images + self.epsilon * stripes).clamp(0, 1))
        for query in range(self.queries):
            if not len(group):
                break
            if query % DRAWN == 0:
                shape = [len(group), min(DRAWN, self.queries - query), 2 + channels]
                group["drawn"] = rng.take(group.rows).uniform(shape).to(images)
            drawn = group["drawn"][:, query % DRAWN]
            side = self._side(query, height, width)
            inside = _window(drawn[:, 0], height, side)[:, None, :, None]
            inside = inside & _window(drawn[:, 1], width, side)[:, None, None, :]
            signs = _signs(drawn[:, 2:])[:, :, None, None]
            square = (group["clean"] + self.epsilon * signs).clamp(0, 1)
            self._try(victim, group, torch.where(inside, square, group["best"]))
        return group

    def _try(self, victim: Victim, group: Group, images: Tensor) -> None:
        logits = victim.logits_of(images)
        margin = margins(logits, group["classes"])
        better = margin > group["margin"]
        group["margin"] = torch.where(better, margin, group["margin"])
        group["best"] = torch.where(better[:, None, None, None], images, group["best"])
        group.spend()
        group.leave(victim.misclassified(images, logits, group["classes"]), images)

    def _side(self, query: int, height: int, width: int) -> int:
        """The side of the squares at this query."""
        done = int(query / self.queries * 10_000)
        area = self.area / 2 ** sum(done > limit for limit in HALVINGS)
        return max(round((area * height * width) ** 0.5), 1)


def _signs(drawn: Tensor) -> Tensor:
    return torch.where(drawn < 0.5, -1.0, 1.0)


def _window(drawn: Tensor, length: int, side: int) -> Tensor:
    """Which positions of a line a window with a random start covers."""
    first = (drawn * max(length - side, 0)).long()[:, None]
    places = torch.arange(length, device=drawn.device)
    return (places >= first) & (places < first + side)
