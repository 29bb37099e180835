"""Falling snow, and the pallor that it gives."""

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import levels, strength, to_bytes
from pipeline_steps.datasets.filters import motion_blur, zoom

# Mean and deviation of the flakes, how much they are enlarged, which fade, radius and
# deviation of their fall, and how much of the image stays as it was.
SMALL = (
    (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
    (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)
LARGE = (
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
BRIGHTNESS = (0.299, 0.587, 0.114)


class Snow:
    """Flakes blurred along their fall, from both sides, on a paler image."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        mean, deviation, factor, least, radius, sigma, kept = strength(
            images, severity, SMALL, LARGE
        )
        count, _, height, width = images.shape
        flakes = rng.normal([count, 1, height, width]) * deviation + mean
        flakes = zoom(flakes, factor)
        flakes = torch.where(flakes < least, 0, flakes)
        angles = rng.uniform([count, 1])[:, 0] * 90 - 135
        flakes = to_bytes(flakes).float() / 255
        fallen = levels(motion_blur(flakes, angles, int(radius), sigma)) / 255
        pale = torch.maximum(images, _grey(images) * 1.5 + 0.5)
        return images * kept + pale * (1 - kept) + fallen + fallen.flip(2, 3)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != len(BRIGHTNESS):
        return images[:, :1]
    red, green, blue = (images[:, i : i + 1] * w for i, w in enumerate(BRIGHTNESS))
    return red + green + blue
