"""Shot noise: light arrives in whole photons."""

from functools import cache

import numpy as np
import torch
from scipy.special import pdtr, pdtrik
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import levels, strength

SMALL = (500, 250, 100, 75, 50)
LARGE = (60, 25, 12, 5, 3)
# Counts rarer than this are never drawn.
RARE = 1e-12


# The number of equally likely parts that a search is divided into beforehand.
PARTS = 256


class ShotNoise:
    """Poisson counts in place of values; fewer photons are noisier."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        photons = strength(images, severity, SMALL, LARGE)
        chances, first, near = _chances(photons)
        draw = rng.uniform(images.shape).flatten()
        level = levels(images).int().flatten()
        # A number from 0 to 1 becomes the first count of at least that chance.
        entry = near[level * PARTS + (draw * PARTS).int()]
        wanted = draw.double() + level
        short = (chances[entry] < wanted).nonzero()[:, 0]
        while len(short):
            entry[short] += 1
            short = short[chances[entry[short]] < wanted[short]]
        return ((entry + first[level]).float() / photons).reshape(images.shape)


@cache
def _chances(photons: int) -> tuple[Tensor, Tensor, Tensor]:
    """Each level's chances of no more than so many photons, plus the level, in a row.

    Beside them, for each level, the count that stands first, less its place in the row;
    and for each part of each level the place from which to search.
    """
    means = np.arange(256) / 255 * photons
    low, high = _count(RARE, means), _count(1 - RARE, means)
    rows = [
        level + pdtr(np.arange(low[level], high[level] + 1), means[level])
        for level in range(256)
    ]
    for level, row in enumerate(rows):
        row[-1] = level + 1
    chances = np.concatenate(rows)
    first = low - np.cumsum([0, *map(len, rows[:-1])])
    near = np.searchsorted(chances, np.arange(256 * PARTS) / PARTS)
    # A level that is whole is the last chance of the row before it, not of its own.
    near[::PARTS] = low - first
    return torch.from_numpy(chances), torch.from_numpy(first), torch.from_numpy(near)


def _count(chance: float, means: np.ndarray) -> np.ndarray:
    """The smallest count of photons that is not exceeded with at least this chance."""
    count = np.ceil(pdtrik(chance, means))
    less = np.maximum(count - 1, 0)
    return np.where(pdtr(less, means) >= chance, less, count).clip(0).astype(int)
