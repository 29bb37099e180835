"""A picture out of focus: every point becomes a disc."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength
from pipeline_steps.datasets.filters import bell, correlate

# The disc's radius, and the deviation by which its edge is smoothed.
SMALL = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))
LARGE = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))


class DefocusBlur:
    """A disc over each pixel."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        kernel = disc(*strength(images, severity, SMALL, LARGE))
        return correlate(images, kernel, "reflect")


def disc(radius: float, sigma: float) -> Tensor:
    """Pixels within the radius, smoothed, without the zeros around."""
    # As published: a grid that leaves room for the smoothing up to a radius of 8.
    reach, smooth = (8, 1) if radius <= 8 else (math.floor(radius), 2)
    at = torch.arange(-reach, reach + 1)
    inside = (at[:, None] ** 2 + at**2 <= radius**2).double()
    kernel = (inside / inside.sum())[None, None]
    weights = bell(smooth, sigma)
    kernel = functional.pad(kernel, [smooth] * 4, mode="reflect")
    kernel = functional.conv2d(kernel, (weights[:, None] * weights)[None, None])[0, 0]
    needed = min(reach, math.floor(radius) + smooth)
    return kernel[
        reach - needed : reach + needed + 1, reach - needed : reach + needed + 1
    ]
