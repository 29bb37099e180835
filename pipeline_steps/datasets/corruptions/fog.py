"""Fog in clouds, as a plasma fractal draws them."""

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength

# How thick it is, and how quickly its detail fades with its scale.
SMALL = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))
LARGE = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))


class Fog:
    """Clouds laid over the image, whose brightest value stays."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        thickness, decay = strength(images, severity, SMALL, LARGE)
        size = images.shape[-1]
        side = 1 << (size - 1).bit_length()
        clouds = plasma(rng.uniform([len(images), side * side - 1]), side, decay)
        brightest = images.amax((1, 2, 3), keepdim=True)
        thicker = images + clouds[:, None, :size, :size] * thickness
        return thicker * brightest / (brightest + thickness)


def plasma(draws: Tensor, side: int, decay: float) -> Tensor:
    """A map from 0 to 1 for each row of draws, by the diamond-square algorithm."""
    draws = draws * 2 - 1
    heights = draws.new_zeros(len(draws), side, side)
    wibble, used, step = 100.0, 0, side
    while step >= 2:
        half, cells = step // 2, (side // step) ** 2
        noise = draws[:, used : used + 3 * cells] * wibble**2
        middles, above, beside = noise.reshape(
            -1, 3, side // step, side // step
        ).unbind(1)
        corners = heights[:, ::step, ::step]
        across = corners + corners.roll(-1, 1)
        centres = (across + across.roll(-1, 2)) / 4 + middles
        heights[:, half::step, half::step] = centres
        upper = centres + centres.roll(1, 1) + (corners + corners.roll(-1, 2))
        left = centres + centres.roll(1, 2) + (corners + corners.roll(-1, 1))
        heights[:, ::step, half::step] = upper / 4 + above
        heights[:, half::step, ::step] = left / 4 + beside
        used, step, wibble = used + 3 * cells, half, wibble / decay
    heights = heights - heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)
