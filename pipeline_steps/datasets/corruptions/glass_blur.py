"""Frosted glass: pixels trade places with neighbours."""

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength, to_bytes
from pipeline_steps.datasets.filters import gaussian_blur

# The blur before and after, how far pixels come from, and how often.
SMALL = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))
LARGE = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))


class GlassBlur:
    """Blurred, each pixel taken from nearby, and blurred again."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        sigma, reach, times = strength(images, severity, SMALL, LARGE)
        count, channels, height, width = images.shape
        images = to_bytes(gaussian_blur(images, sigma)).float() / 255
        for _ in range(times):
            draw = rng.uniform([count, 2, height, width])
            moves = (draw * (2 * reach)).long() - reach
            where = origins(moves, reach).flatten(1)[:, None].expand(-1, channels, -1)
            images = images.flatten(2).gather(2, where).reshape(images.shape)
        return gaussian_blur(images, sigma)


def origins(moves: Tensor, reach: int) -> Tensor:
    """Which original pixel each pixel ends up showing.

    The published code goes from the last pixel to the first and is meant to swap two,
    but copies: each pixel shows what its neighbour shows at that moment. A neighbour
    that comes later in the image was processed before, and shows another's value in
    turn.
    """
    count, _, height, width = moves.shape
    pixels = torch.arange(height * width).reshape(height, width)
    inner = torch.zeros(height, width, dtype=torch.bool)
    inner[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = True
    neighbour = pixels + moves[:, 0] * width + moves[:, 1]
    origin = torch.where(inner, neighbour, pixels).flatten(1)
    onward = (origin > pixels.flatten()) & inner.flatten()[origin]
    while onward.any():
        # Each round follows twice as many steps of the chain as the one before.
        further = onward & onward.gather(1, origin)
        origin = torch.where(onward, origin.gather(1, origin), origin)
        onward = further
    return origin.reshape(count, height, width)
