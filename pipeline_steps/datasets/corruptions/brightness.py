"""Brightness: too much light."""

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength

SMALL = (0.05, 0.1, 0.15, 0.2, 0.3)
LARGE = (0.1, 0.2, 0.3, 0.4, 0.5)


class Brightness:
    """Each pixel's largest colour raised, hue and saturation kept."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        value = images.amax(1, keepdim=True)
        raised = (value + strength(images, severity, SMALL, LARGE)).clamp(max=1)
        # With hue and saturation kept, all colours grow in proportion to the largest.
        return torch.where(value > 0, images * (raised / value), raised)
