"""Zoom blur: something comes nearer."""

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength
from pipeline_steps.datasets.filters import zoom

# How far it comes, and in which steps.
SMALL = ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01))
LARGE = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))


class ZoomBlur:
    """The mean of the image and its enlargements."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        most, step = strength(images, severity, SMALL, LARGE)
        factors = np.arange(1, most, step).tolist()
        total = torch.zeros_like(images)
        for factor in factors:
            total += zoom(images, factor)
        return (images + total) / (len(factors) + 1)
