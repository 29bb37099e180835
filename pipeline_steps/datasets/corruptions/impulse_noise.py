"""Salt-and-pepper noise."""

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength

SMALL = (0.01, 0.02, 0.03, 0.05, 0.07)
LARGE = (0.03, 0.06, 0.09, 0.17, 0.27)


class ImpulseNoise:
    """Sets a share of all values to black or white, with equal probability."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        share = strength(images, severity, SMALL, LARGE)
        draw = rng.uniform(images.shape)
        broken = (draw < share / 2).to(images.dtype)
        return torch.where(draw < share, broken, images)
