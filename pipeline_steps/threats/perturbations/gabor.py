"""Edits by procedural noise: sparse points under a Gabor kernel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Extent
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.filters import SMALLEST, filtered, stretched
from pipeline_steps.threats.perturbation import Perturbation

KERNEL = 23
# One pixel in this many carries a point of noise.
SPARSITY = 14


@dataclass(frozen=True)
class Gabor(Perturbation):
    """Grey Gabor noise on the image; its sparse points are edited.

    See docs/methods/attacks.md#gabor.
    """

    epsilon: Extent
    """How bright the noise is, on the images' scale of 0 to 1; may exceed 1."""
    step_size: Extent
    """The step of the points in [-1, 1]; UAR's is √(0.001/steps) for every epsilon."""
    edited: Literal["points", "rest"] = "points"
    """What is edited: the points, or all other pixels while the points vanish with the
    first step. The second is what the released code does, since its mask is `x ==
    0`."""

    size = 3

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        images = batch.images
        shape = (len(images), 1, *images.shape[2:])
        order = rng.uniform(shape).to(images)
        chosen = math.ceil(order[:1].numel() / SPARSITY) if len(images) else 1
        last = order.flatten(1).kthvalue(chosen, keepdim=True).values
        support = (order <= last[..., None, None]).to(images)
        points = (2 * rng.uniform(shape).to(images) - 1) * support
        kernels = kernels_from(rng.uniform([len(images), 4]).to(images))
        return [points, support, kernels]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        points, _, kernels = parameters
        noise = evened(filtered(points, kernels.detach()))
        return (batch.images + self.epsilon * noise).clamp(0, 1)

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        points, support, kernels = parameters
        moved = points + self.step_size * gradients[0].sign()
        kept = support if self.edited == "points" else 1 - support
        return [moved.clamp(-1, 1) * kept, support, kernels]


def kernels_from(drawn: Tensor) -> Tensor:
    """A kernel for each image, [B, 1, 23, 23], from four uniform numbers."""
    sides = (10 * drawn[:, 0]).floor().clamp_max(9) + 1
    spread, frequency = 0.1 + 0.3 * drawn[:, 1], 3 + (KERNEL / 4 - 3) * drawn[:, 2]
    return kernel(sides, spread, frequency, math.pi * drawn[:, 3])


def kernel(sides: Tensor, spread: Tensor, frequency: Tensor, angle: Tensor) -> Tensor:
    """A Gaussian times `sides` waves, whose directions divide half a turn evenly."""
    turns, places = (
        torch.arange(n, dtype=spread.dtype, device=spread.device) for n in (10, KERNEL)
    )
    places = places / (KERNEL - 1) - 0.5
    angles = angle[:, None] + math.pi * turns / sides[:, None]
    angles = angles[..., None, None]
    along = places * angles.cos() + places[:, None] * angles.sin()
    waves = (2 * math.pi * frequency[:, None, None, None] * along).cos()
    waves = waves * (turns < sides[:, None])[..., None, None]
    squared = places**2 + places[:, None] ** 2
    bell = (-0.5 * squared / (spread + 1e-3)[:, None, None] ** 2).exp()
    return bell[:, None] * waves.sum(1, keepdim=True)


def evened(noise: Tensor) -> Tensor:
    """Noise of even strength everywhere, from 0 to 1.

    The released code transforms the local strength to Fourier space and back without
    changing it, so it is the distance from the mean. No gradient flows through it or
    through the stretching: to an attack, noise that is already even would look flat.
    """
    mean = noise.detach().mean((1, 2, 3), keepdim=True)
    strength = (noise.detach() - mean).abs()
    strongest = strength.amax((1, 2, 3), keepdim=True)
    strength = strength / strongest.clamp_min(SMALLEST)
    least = 0.001
    even = mean + (noise - mean) * (least + 1) / (least + strength)
    return stretched(even, even.detach())
