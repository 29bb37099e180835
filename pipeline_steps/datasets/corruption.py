"""What all corruptions have in common: five severities, and bytes as in CIFAR-10-C.

Their parameters are those published by Hendrycks and Dietterich, never scaled:
CIFAR-10-C's below 64 pixels, and ImageNet-C's from there on. Images are tensors in
[0, 1], NCHW, which come from uint8.

No result may depend on which images stand beside an image in a batch. So nothing here is
a library's convolution, matrix product or mean of floats, which may add up in another
order for another batch, except where float64 leaves no byte in doubt.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng, image_rng

# In the order of the published archive.
CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
SEVERITIES = range(1, 6)
LARGE = 64

T = TypeVar("T")


class Corruption(Protocol):
    """A kind of corruption, at five severities."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        """The corrupted images, which are clipped to [0, 1] afterwards."""
        ...


def strength(
    images: Tensor, severity: int, small: Sequence[T], large: Sequence[T]
) -> T:
    """The parameters for images of this size."""
    return (large if is_large(images) else small)[severity - 1]


def is_large(images: Tensor) -> bool:
    return images.shape[-1] >= LARGE


def corrupt(
    corruption: Corruption,
    word: str,
    images: Tensor,
    first: int,
    severity: int,
    seed: int,
) -> Tensor:
    """uint8 images, corrupted; the first one is the data set's image number `first`."""
    rows = range(first, first + len(images))
    draw = image_rng(seed, rows, "corruption", word, severity)
    return to_bytes(corruption.apply(images.float() / 255, severity, draw))


def levels(images: Tensor) -> Tensor:
    """The integers from 0 to 255 of images that come from uint8."""
    return (images * 255).round()


def to_bytes(images: Tensor) -> Tensor:
    """Truncates fractions, as the published archive does, with a thousandth as
    tolerance for rounding."""
    return (images.clamp(0, 1) * 255 + 1e-3).floor().to(torch.uint8)
