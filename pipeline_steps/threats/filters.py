"""Helpers of the weather and elastic edits: smoothing, and a separate filter for each
image."""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d

Table = tuple[tuple[float, ...], ...]

# The smallest divisor.
SMALLEST = 1e-12


@cache
def gaussian(
    width: int, spread: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The weights of a Gaussian over this many pixels; they sum to 1."""
    places = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    weights = (-((places / spread) ** 2) / 2).exp()
    return (weights / weights.sum()).to(device, dtype)


def filtered(images: Tensor, kernels: Tensor) -> Tensor:
    """Each image [C, H, W] under kernels of its own [C, k, k], summed: [B, 1, H, W]."""
    count, _, height, width = images.shape
    if not count:
        return images.new_empty(0, 1, height, width)
    # Every image is a group of one large convolution.
    whole = images.reshape(1, -1, height, width)
    return conv2d(whole, kernels, padding=kernels.shape[-1] // 2, groups=count).view(
        count, 1, height, width
    )


def stretched(values: Tensor, limits: Tensor) -> Tensor:
    """Each image's values, rescaled so that the limits' extremes become 0 and 1."""
    low = limits.amin((1, 2, 3), keepdim=True)
    high = limits.amax((1, 2, 3), keepdim=True)
    return (values - low) / (high - low).clamp_min(SMALLEST)


def mixed(images: Tensor, matrix: Table) -> Tensor:
    """The channels by a matrix."""
    weights = constant(matrix, images.dtype, images.device)
    return torch.einsum("dc,bchw->bdhw", weights, images)


@cache
def constant(table: Table, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(table, dtype=dtype, device=device)
