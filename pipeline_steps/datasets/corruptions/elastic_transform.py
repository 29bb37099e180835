"""Elastic deformation of the whole image."""

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import strength
from pipeline_steps.datasets.filters import sample, smoothing

# How far pixels move, how smoothly, and how far the three corners; in parts of the side.
SMALL = (
    (0, 0, 0.08),
    (0.05, 0.2, 0.07),
    (0.08, 0.06, 0.06),
    (0.1, 0.04, 0.05),
    (0.1, 0.03, 0.03),
)
# Published in pixels, as parts of 244, and used on images of 224.
LARGE = tuple(
    tuple(part * 244 / 224 for part in parts)
    for parts in (
        (2, 0.7, 0.1),
        (2, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    )
)


class ElasticTransform:
    """Three corners of its middle moved, then every pixel, smoothly."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        size = images.shape[-1]
        lengths = strength(images, severity, SMALL, LARGE)
        far, sigma, corners = (part * size for part in lengths)
        draws = rng.uniform([len(images), 6]).double() * 2 - 1
        images = sample(images, *affine(draws * corners, size), edge_twice=False)
        if not far:
            return images
        moves = rng.uniform([len(images), 2, size, size]).double() * 2 - 1
        matrix = smoothing(size, sigma, deviations=3)
        moves = matrix @ moves @ matrix.T * far
        at = torch.arange(size, dtype=torch.float64)
        return sample(
            images, at[:, None] + moves[:, 0], at + moves[:, 1], edge_twice=True
        )


def affine(moves: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where each pixel comes from, in rows and columns, when the corners move like
    this."""
    middle, half = size // 2, size // 3
    low, high = middle - half, middle + half
    corners = torch.tensor([[high, high], [high, low], [low, low]], dtype=torch.float64)
    moved = corners + moves.reshape(-1, 3, 2)
    # Origins are linear in the position, and are measured from the second corner.
    u, v = (moved[:, 0] - moved[:, 1]), (moved[:, 2] - moved[:, 1])
    area = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])[:, None, None]
    at = torch.arange(size, dtype=torch.float64)
    x = at - moved[:, 1, 0, None, None]
    y = at[:, None] - moved[:, 1, 1, None, None]
    along_u = (x * v[:, 1, None, None] - y * v[:, 0, None, None]) / area
    along_v = (y * u[:, 0, None, None] - x * u[:, 1, None, None]) / area
    # The first corner lies below the second, the third to its left.
    return low + along_u * (2 * half), high - along_v * (2 * half)
