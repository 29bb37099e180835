"""Spatial edits: every pixel is fetched from a nearby position (JAT, Algorithm 1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Extent
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbation import Perturbation
from pipeline_steps.threats.warping import warped


@dataclass(frozen=True)
class Warp(Perturbation):
    """A flow whose vectors are no longer than a budget in pixels: ‖ω‖₂,∞ ≤ ε (JAT eq.
    6)."""

    epsilon: Extent
    """The length of the longest vector, in pixels."""
    step_size: Extent
    """How far each vector moves in a step, in pixels."""
    start_at: Literal["random", "zero"] = "random"
    outside: Literal["black", "grey", "nearest"] = "grey"
    """The colour outside the image. JAT 5 warps with the kernel of spatial
    transformers, a sum over the image's own pixels, so outside is zero: grey on its
    images in [-1, 1]."""

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        shape = (len(batch.images), 2, *batch.images.shape[2:])
        if self.start_at == "zero":
            return [batch.images.new_zeros(shape)]
        drawn = rng.uniform(shape).to(batch.images)
        # The square root spreads the vectors' ends evenly over the disc.
        lengths, angles = self.epsilon * drawn[:, 0].sqrt(), 2 * math.pi * drawn[:, 1]
        return [torch.stack([lengths * angles.cos(), lengths * angles.sin()], 1)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        return warped(batch.images, parameters[0], outside=self.outside)

    def flow(self, parameters: Sequence[Tensor]) -> Tensor:
        """Where each pixel is fetched from, as an offset right and down."""
        return parameters[0].detach()

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        flow = parameters[0] + self.step_size * generalised_sign(gradients[0])
        return [flow * (self.epsilon / positive(lengths(flow))).clamp_max(1)]


def lengths(flow: Tensor) -> Tensor:
    """The length of each vector."""
    return torch.hypot(flow[:, :1], flow[:, 1:])


def generalised_sign(gradient: Tensor) -> Tensor:
    """Every vector scaled to length 1 (JAT eq. 8); zero stays zero."""
    # hypot alone would lose vectors so short that they are subnormal.
    largest = gradient.abs().amax(1, keepdim=True)
    scaled = gradient / positive(largest)
    return scaled / positive(lengths(scaled))


def positive(values: Tensor) -> Tensor:
    return values.clamp_min(torch.finfo(values.dtype).tiny)
