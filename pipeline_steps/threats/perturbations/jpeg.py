"""Edits of JPEG coefficients, added at the point where a file would round them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Extent, Norm
from pipeline_steps.threats.balls import Ball, frank_wolfe, vertex
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.filters import Table, mixed
from pipeline_steps.threats.perturbation import Perturbation

# The largest addition to one coefficient under l2 and l1.
LARGEST = 2.0

LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, *[99] * 4),
    (18, 21, 26, 66, *[99] * 4),
    (24, 26, 56, 99, *[99] * 4),
    (47, 66, 99, 99, *[99] * 4),
    *[(99,) * 8] * 4,
)
TO_LUMA_AND_CHROMA = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
TO_COLOURS = ((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0))


@dataclass(frozen=True, kw_only=True)
class Jpeg(Perturbation):
    """An addition to the quantised coefficients of an image's JPEG.

    See docs/methods/attacks.md#jpeg.

    Nothing is rounded, so the image itself loses only detail of its colours; this
    family does not contain the unedited image. Under l1 the step is that of
    Frank–Wolfe.
    """

    norm: Norm
    epsilon: Extent
    """The radius, in quantisation steps. As in the released code, half of it is
    added."""
    step_size: Extent
    """In the same unit; UAR's is epsilon/√steps. Not used under l1."""
    start_at: Literal["random", "zero"] = "random"
    bounds: Literal["released", "fixed"] = "released"
    """Under l1, how far a step may lead: as released, to 2 less what a coefficient is
    moved already, so that it ends at 1; `fixed` leads to 2, twice as far."""

    identity = False

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        count, channels, height, width = batch.images.shape
        if channels != 3 or height % 16 or width % 16:
            raise PipelineError(
                f"JPEG edits coloured images whose sides are multiples of 16, not "
                f"{channels} x {height} x {width}; use another threat for this data set"
            )
        # Luminance for each pixel, and two colours for each square of four.
        shape = (count, height * width * 3 // 2)
        if self.start_at == "zero":
            return [batch.images.new_zeros(shape)]
        ball = Ball(self.norm, self.epsilon)
        return [self._cut(ball.start(rng, shape, batch.images))]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        # Without rounding all is linear, and the transform and its inverse cancel.
        added = decoded(parameters[0] / 2, *batch.images.shape[2:])
        return (coloured_coarsely(batch.images) + added).clamp(0, 1)

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        if self.norm == "l1":
            moved = parameters[0] if self.bounds == "released" else 0 * parameters[0]
            uphill = vertex(
                gradients[0],
                (-LARGEST - moved).clamp_max(0),
                (LARGEST - moved).clamp_min(0),
                self.epsilon,
            )
            return [self._cut(frank_wolfe(parameters[0], uphill, iteration))]
        ball = Ball(self.norm, self.epsilon)
        return [self._cut(ball.step(parameters[0], gradients[0], self.step_size))]

    def _cut(self, addition: Tensor) -> Tensor:
        return addition if self.norm == "linf" else addition.clamp(-LARGEST, LARGEST)


def coloured_coarsely(images: Tensor) -> Tensor:
    """The images with one colour for each square of four pixels."""
    luma_and_chroma = mixed(images, TO_LUMA_AND_CHROMA)
    luma, chroma = luma_and_chroma[:, :1], luma_and_chroma[:, 1:]
    return mixed(torch.cat([luma, doubled(avg_pool2d(chroma, 2))], 1), TO_COLOURS)


def decoded(coefficients: Tensor, height: int, width: int) -> Tensor:
    """What quantised coefficients [B, Y then Cb then Cr] add to images in [0, 1]."""
    count, pixels = len(coefficients), height * width
    luma = coefficients[:, :pixels].reshape(count, 1, height, width)
    chroma = coefficients[:, pixels:].reshape(count, 2, height // 2, width // 2)
    luma, chroma = blocks_back(luma, LUMINANCE), blocks_back(chroma, CHROMINANCE)
    return mixed(torch.cat([luma, doubled(chroma)], 1), TO_COLOURS) / 255


def blocks_back(coefficients: Tensor, table: Table) -> Tensor:
    """Each 8 x 8 block of coefficients, dequantised and as pixels."""
    count, channels, height, width = coefficients.shape
    blocks = coefficients.reshape(count, channels, height // 8, 8, width // 8, 8)
    shapes = waves(table, blocks.dtype, blocks.device)
    return torch.einsum("bciujv,uvyx->bciyjx", blocks, shapes).reshape_as(coefficients)


@cache
def waves(table: Table, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What one step of each coefficient [u, v] adds to the pixels [y, x] of its block."""
    frequency = torch.arange(8, dtype=torch.float64)[:, None]
    place = 2 * torch.arange(8, dtype=torch.float64) + 1
    # The orthonormal cosine transform of 8 numbers, a row for each frequency.
    cosine = (torch.pi * frequency * place / 16).cos() / 2
    cosine[0] /= 2**0.5
    steps = torch.tensor(table, dtype=torch.float64)
    return torch.einsum("uy,vx,uv->uvyx", cosine, cosine, steps).to(device, dtype)


def doubled(images: Tensor) -> Tensor:
    """Each pixel as a square of four."""
    return images.repeat_interleave(2, -2).repeat_interleave(2, -1)
