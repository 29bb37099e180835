"""Sensor noise in poor light."""

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength

SMALL = (0.04, 0.06, 0.08, 0.09, 0.10)
LARGE = (0.08, 0.12, 0.18, 0.26, 0.38)


class GaussianNoise:
    """Normal noise on every value."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        deviation = strength(images, severity, SMALL, LARGE)
        return images + rng.normal(images.shape) * deviation
