"""The fast adaptive boundary attack, the third part of AutoAttack (Croce and Hein 2019)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount, Count
from pipeline_steps.threats.attacks.apgd import ranking
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.survivors import Group, Survivors
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim

# The largest weight of the step that starts from the clean image (alpha_max).
TOWARDS_CLEAN = 0.1
OVERSHOOT = 1.05  # eta
BACK = 0.9  # beta


@dataclass(frozen=True)
class Fab(Attack):
    """The nearest image of another class in L∞, sought along linearised boundaries.

    Targeted: it runs once towards each of the model's next best classes. An image is
    done as soon as the distance is within the budget; larger distances don't count.
    """

    epsilon: Amount
    steps: Count = 100
    targets: Count = 9

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        with victim.frozen():
            survivors = Survivors(victim, batch, rng, "fab-t")
            for target in range(1, 1 + self.targets):
                if not len(survivors):
                    break
                ranked = ranking(victim.logits_of(survivors.batch.images))
                if target < ranked.shape[1]:
                    group = self._search(victim, survivors.batch, ranked[:, target])
                    survivors.after(*group.outcome)
            return survivors.attacked

    def _search(self, victim: Victim, batch: Batch, targets: Tensor) -> Group:
        group = Group(
            batch.images,
            clean=batch.images,
            point=batch.images,
            classes=batch.classes,
            targets=targets,
        )
        for _ in range(self.steps):
            if not len(group):
                break
            point, clean = self._towards_boundary(victim, group), group["clean"]
            logits, classes = victim.logits_of(point), group["classes"]
            group.spend(2)
            wrong = logits.argmax(dim=1) != classes
            back = clean + BACK * (point - clean)
            group["point"] = torch.where(wrong[:, None, None, None], back, point)
            near = wrong & (_largest(point - clean) <= self.epsilon)
            rows = near.nonzero().squeeze(1)
            if len(rows):
                sure = victim.misclassified(point[rows], logits[rows], classes[rows])
                near[rows] = sure
                group.leave(near, point)
        return group

    def _towards_boundary(self, victim: Victim, group: Group) -> Tensor:
        """The next point: near the boundary, and drawn towards the clean image."""
        point, clean = group["point"], group["clean"]
        leaf = point.detach().requires_grad_()
        logits = victim(leaf)
        wanted = logits.gather(1, group["targets"][:, None])
        gap = (wanted - logits.gather(1, group["classes"][:, None])).squeeze(1)
        (slope,) = torch.autograd.grad(gap.sum(), leaf)
        gap = gap.detach()
        # The boundary as it looks from here: gap + slope · (x - point) = 0.
        here = to_plane(point, slope, gap)
        there = to_plane(clean, slope, gap + (slope * (clean - point)).sum((1, 2, 3)))
        near, far = (_largest(way).clamp_min(1e-8) for way in (here, there))
        share = (near / (near + far)).clamp_max(TOWARDS_CLEAN)[:, None, None, None]
        on = (point + OVERSHOOT * here) * (1 - share)
        return (on + (clean + OVERSHOOT * there) * share).clamp(0, 1)


def to_plane(points: Tensor, slope: Tensor, gap: Tensor) -> Tensor:
    """The smallest step in L∞, within [0, 1], to where gap + slope · step = 0.

    Every value moves equally far, or to its bound if that is nearer, so sorting the
    bounds gives the step's length. If no step reaches the plane, every value goes to
    its bound.
    """
    weights = (-gap.sign()[:, None, None, None] * slope).flatten(1)
    values = points.flatten(1)
    room = torch.where(weights > 0, 1 - values, values)
    order = room.argsort(dim=1)
    sizes, rooms = weights.abs().gather(1, order), room.gather(1, order)
    # What the first k values contribute at their bounds, and the weight of all others.
    bound = (sizes * rooms).cumsum(1)
    beyond = sizes.flip(1).cumsum(1).flip(1)
    brought = bound - sizes * rooms + rooms * beyond
    k = (brought < gap.abs()[:, None]).sum(dim=1, keepdim=True)
    k = k.clamp_max(values.shape[1] - 1)
    before = (bound - sizes * rooms).gather(1, k)
    length = (gap.abs()[:, None] - before) / beyond.gather(1, k).clamp_min(1e-30)
    way = weights.sign() * room.minimum(length.clamp_min(0))
    return way.reshape_as(points)


def _largest(way: Tensor) -> Tensor:
    return way.abs().flatten(1).amax(dim=1)
