"""Pixelation: too few pixels."""

from functools import cache

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import levels, strength

SMALL = (0.95, 0.9, 0.85, 0.75, 0.65)
LARGE = (0.6, 0.5, 0.4, 0.3, 0.25)
# Pillow's weights are integer multiples of this, so no result depends on the machine.
BITS = 22


class Pixelate:
    """Scaled down and up again by means over boxes, with the same bytes as Pillow."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        size = images.shape[-1]
        fewer = int(size * strength(images, severity, SMALL, LARGE))
        pixels = levels(images).int()
        for new in (fewer, size):
            for dimension in (-1, -2):
                pixels = _resized(pixels, new, dimension)
        return pixels.float() / 255


def _resized(pixels: Tensor, new: int, dimension: int) -> Tensor:
    """Each new pixel is the rounded mean of those old ones whose middle it covers."""
    total = torch.tensor(1 << (BITS - 1), dtype=torch.int32)
    for old, weight in zip(*_boxes(pixels.shape[dimension], new), strict=True):
        along = weight if dimension == -1 else weight[:, None]
        total = total + pixels.index_select(dimension, old) * along
    return total >> BITS


@cache
def _boxes(old: int, new: int) -> tuple[Tensor, Tensor]:
    """The old pixels in each new one, a row for the first, second … and their weights."""
    scale = old / new
    reach = max(scale, 1) / 2
    inside = [
        [i for i in range(old) if -reach < i + 0.5 - (pixel + 0.5) * scale <= reach]
        for pixel in range(new)
    ]
    most = max(map(len, inside))
    pixels = torch.zeros(most, new, dtype=torch.long)
    weights = torch.zeros(most, new, dtype=torch.int32)
    for pixel, covered in enumerate(inside):
        pixels[: len(covered), pixel] = torch.tensor(covered)
        weights[: len(covered), pixel] = int((1 << BITS) / len(covered) + 0.5)
    return pixels, weights
