"""Elastic deformations: a bounded flow, smoothed before it moves pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Extent
from pipeline_steps.threats.balls import Ball
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.filters import gaussian
from pipeline_steps.threats.perturbation import Perturbation
from pipeline_steps.threats.warping import warped


@dataclass(frozen=True)
class Elastic(Perturbation):
    """A smoothed flow, bounded in L∞ before it is smoothed.

    See docs/methods/attacks.md#elastic.

    Vectors are in pixels. The released code takes a pixel to be 2/size of the image,
    not 2/(size - 1), and so moves 3 % less at 32 pixels.
    """

    epsilon: Extent
    """The bound on each coordinate of a vector, in pixels."""
    step_size: Extent
    """How far each coordinate moves, in pixels; UAR's is epsilon/√steps."""
    start_at: Literal["random", "zero"] = "random"
    corners: Literal["centres", "edges"] = "centres"
    """What the ends of the released grid mean: the centres of the outermost pixels, as
    in PyTorch when UAR was written, or their outer edges, as since version 1.3. With
    edges even a flow of zeros zooms, by 256/255 at 256 pixels, and darkens the
    border."""

    @property
    def identity(self) -> bool:
        return self.corners == "centres"

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        shape = (len(batch.images), 2, *batch.images.shape[2:])
        if self.start_at == "zero":
            return [batch.images.new_zeros(shape)]
        return [Ball("linf", self.epsilon).start(rng, shape, batch.images)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        flow = smoothed(parameters[0])
        if self.corners == "edges":
            flow = flow + zoom(*batch.images.shape[2:]).to(flow)
        return warped(batch.images, flow, outside="black")

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        ball = Ball("linf", self.epsilon)
        return [ball.step(parameters[0], gradients[0], self.step_size)]


def zoom(height: int, width: int) -> Tensor:
    """The flow that stretches an image's centres to its edges: [2, H, W], in pixels."""
    down, right = (torch.linspace(-0.5, 0.5, side) for side in (height, width))
    return torch.stack(torch.meshgrid(right, down, indexing="xy"))


def smoothed(flow: Tensor) -> Tensor:
    """The flow under a Gaussian: 25 wide with σ 3 from 224 pixels on, 5 with 0.43 at 32."""
    spread = 3 * min(*flow.shape[-2:], 224) / 224
    reach = math.ceil(4 * spread)
    weights = gaussian(2 * reach + 1, spread, flow.dtype, flow.device)
    whole = pad(flow.flatten(0, 1)[:, None], [reach] * 4, mode="reflect")
    across = conv2d(whole, weights.view(1, 1, 1, -1))
    return conv2d(across, weights.view(1, 1, -1, 1)).view_as(flow)
