"""Motion blur."""

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets import filters
from pipeline_steps.datasets.corruption import levels, strength

# The blur's radius and deviation.
SMALL = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))
LARGE = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))


class MotionBlur:
    """Blurred along one direction, up to 45 degrees from the horizontal."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        radius, sigma = strength(images, severity, SMALL, LARGE)
        angles = rng.uniform([len(images), 1])[:, 0] * 90 - 45
        return levels(filters.motion_blur(images, angles, radius, sigma)) / 255
