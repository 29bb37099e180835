"""Balls around zero that bound the parameters of an edit: L∞, L2 and L1.

All treat each image separately, and handle tiny gradients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Norm

Start = Callable[[Rng, Sequence[int]], Tensor]
Projection = Callable[[Tensor, float], Tensor]
Direction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Ball:
    """All parameters whose norm is at most a radius."""

    norm: Norm
    radius: float

    def start(self, rng: Rng, shape: Sequence[int], like: Tensor) -> Tensor:
        """A point anywhere in the ball, with equal density."""
        return self.radius * STARTS[self.norm](rng, shape).to(like)

    def project(self, point: Tensor) -> Tensor:
        """The nearest point of the ball."""
        return PROJECTIONS[self.norm](point, self.radius)

    def step(self, point: Tensor, gradient: Tensor, size: float) -> Tensor:
        """The ball's own steepest step, then the nearest point of the ball."""
        return self.project(point + size * DIRECTIONS[self.norm](gradient))


def over_image(values: Tensor, like: Tensor) -> Tensor:
    """One number for each image, shaped to multiply the image's part."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def length(point: Tensor) -> Tensor:
    """The L2 norm of each image's part."""
    return torch.linalg.vector_norm(point.flatten(1), dim=1)


def normalised(gradient: Tensor) -> Tensor:
    """Each image's part, scaled to L2 norm 1; 0 where there is no gradient."""
    rows = gradient.flatten(1)
    # A saturated network's gradients are so small that their squares underflow to 0.
    rows = rows / rows.abs().amax(1, keepdim=True).clamp_min(tiny(rows))
    norms = over_image(length(rows), gradient).clamp_min(tiny(rows))
    return rows.reshape_as(gradient) / norms


def strongest(gradient: Tensor) -> Tensor:
    """The sign of each image's largest coordinate, and 0 elsewhere."""
    rows = gradient.flatten(1)
    place = rows.abs().argmax(1, keepdim=True)
    chosen = torch.zeros_like(rows).scatter(1, place, rows.gather(1, place).sign())
    return chosen.reshape_as(gradient)


def vertex(gradient: Tensor, low: Tensor, high: Tensor, radius: float) -> Tensor:
    """The point of the L1 ball, within a box around 0, that is furthest uphill.

    A linear program: the strongest coordinates go all the way to their bounds, until the
    radius is used up.
    """
    rows = gradient.flatten(1)
    order = rows.abs().argsort(dim=1, descending=True, stable=True)
    bounds = torch.where(gradient > 0, high, -low).flatten(1).gather(1, order)
    bounds = bounds * (rows.gather(1, order) != 0)
    used_before = bounds.cumsum(1) - bounds
    moved = bounds.minimum((radius - used_before).clamp_min(0))
    magnitude = torch.zeros_like(rows).scatter(1, order, moved)
    return (rows.sign() * magnitude).reshape_as(gradient)


def frank_wolfe(point: Tensor, uphill: Tensor, iteration: int) -> Tensor:
    """A step part of the way to a vertex; the first step replaces the start."""
    return point + (uphill - point) / (iteration + 1)


def _start_linf(rng: Rng, shape: Sequence[int]) -> Tensor:
    return 2 * rng.uniform(shape) - 1


def _start_l2(rng: Rng, shape: Sequence[int]) -> Tensor:
    direction = normalised(rng.normal(shape))
    dimensions = max(1, direction[:1].numel())
    share = rng.uniform([shape[0]]) ** (1 / dimensions)
    return direction * over_image(share, direction)


def _start_l1(rng: Rng, shape: Sequence[int]) -> Tensor:
    """Barthe, Guédon, Mendelson and Naor (2005), theorem 1."""
    signed = 2 * rng.uniform(shape) - 1
    # The magnitude of a uniform number in [-1, 1] is uniform too: -log(1 - u) ~ Exp(1).
    drawn = -(1 - signed.abs()).clamp_min(tiny(signed)).log()
    rest = -(1 - rng.uniform([shape[0]])).log()
    total = over_image(drawn.flatten(1).sum(1) + rest, drawn).clamp_min(tiny(drawn))
    return signed.sign() * drawn / total


def _project_linf(point: Tensor, radius: float) -> Tensor:
    return point.clamp(-radius, radius)


def _project_l2(point: Tensor, radius: float) -> Tensor:
    norms = length(point).clamp_min(tiny(point))
    return point * over_image((radius / norms).clamp_max(1), point)


def _project_l1(point: Tensor, radius: float) -> Tensor:
    """Duchi, Shalev-Shwartz, Singer and Chandra (2008): subtracts a threshold from
    every magnitude."""
    rows = point.flatten(1)
    falling = rows.abs().sort(1, descending=True).values
    counts = torch.arange(1, rows.shape[1] + 1, device=rows.device)
    thresholds = (falling.cumsum(1) - radius) / counts
    # The largest threshold is right: the others count coordinates that end as 0.
    threshold = thresholds.amax(1, keepdim=True).clamp_min(0)
    return (rows.sign() * (rows.abs() - threshold).clamp_min(0)).reshape_as(point)


def tiny(like: Tensor) -> float:
    return torch.finfo(like.dtype).tiny


STARTS: dict[str, Start] = {"linf": _start_linf, "l2": _start_l2, "l1": _start_l1}
PROJECTIONS: dict[str, Projection] = {
    "linf": _project_linf,
    "l2": _project_l2,
    "l1": _project_l1,
}
DIRECTIONS: dict[str, Direction] = {
    "linf": torch.sign,
    "l2": normalised,
    "l1": strongest,
}
