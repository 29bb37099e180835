"""Contrast: flat light."""

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import levels, strength

SMALL = (0.75, 0.5, 0.4, 0.3, 0.15)
LARGE = (0.4, 0.3, 0.2, 0.1, 0.05)


class Contrast:
    """Every value moved towards the mean of its channel."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        total = levels(images).long().sum((2, 3), keepdim=True)
        mean = (total.double() / (images[0, 0].numel() * 255)).float()
        return (images - mean) * strength(images, severity, SMALL, LARGE) + mean
