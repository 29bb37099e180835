"""Weather: snowflakes that fall in one direction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, fold

from pipeline_steps.core.device import sent
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Extent
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.filters import mixed
from pipeline_steps.threats.perturbation import Perturbation

LAYERS = 7
STRIDE = 4
# The largest mean of a block of flakes, and the block's side.
BUDGET, BLOCK = 0.2, 8
KERNEL = 13
LUMINANCE = ((0.2126, 0.7152, 0.0722),)


@dataclass(frozen=True)
class Snow(Perturbation):
    """Snow in front of the image; the flakes' intensities are edited.

    See docs/methods/attacks.md#snow.

    The image is also greyed as on a snowy day, so this family does not hold the unedited
    image. The streaks that flakes leave are drawn for each image, not once a batch as
    released, and the budget of flakes holds after the last step too.
    """

    epsilon: Extent
    """How bright the snow is, on the images' scale of 0 to 1; may exceed 1."""
    step_size: Extent
    """The step of the intensities in [0, 1]; UAR's is √(0.001/steps) for every
    epsilon."""

    size, identity = 2, False

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        count = len(batch.images)
        height, width = (math.ceil(side / STRIDE) for side in batch.images.shape[2:])
        drawn = rng.uniform([count, LAYERS, height, width]).to(batch.images)
        streaks = streaks_from(rng.uniform([count, 4 * LAYERS + 1]).to(batch.images))
        return [capped((-drawn / BUDGET).exp()), streaks]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        flakes, streaks = parameters
        snow = fallen(flakes**4, streaks.detach(), *batch.images.shape[2:])
        return (greyed(batch.images) + self.epsilon * snow).clamp(0, 1)

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        moved = parameters[0] + self.step_size * gradients[0].sign()
        return [capped(moved.clamp(1e-9, 1)), parameters[1]]


def greyed(images: Tensor) -> Tensor:
    """Replaces a quarter of the image's colours by a bright grey."""
    coloured = images.shape[1] == 3
    grey = mixed(images, LUMINANCE) if coloured else images.mean(1, keepdim=True)
    return 0.75 * images + 0.25 * images.maximum(1.5 * grey + 0.5)


def fallen(flakes: Tensor, streaks: Tensor, height: int, width: int) -> Tensor:
    """A streak for each flake: one on every fourth pixel, each layer from its own corner."""
    count, _, rows, columns = flakes.shape
    if not count:
        return flakes.new_empty(0, 1, height, width)
    frame = KERNEL + STRIDE - 1
    shifted = streaks.new_zeros(count, LAYERS, frame, frame)
    for layer in range(LAYERS):
        row, column = max(0, layer - 3), layer if layer < 4 else 0
        shifted[:, layer, row : row + KERNEL, column : column + KERNEL] = streaks[
            :, layer
        ]
    # Sums only where there are flakes: a convolution would take ten times longer.
    pieces = torch.einsum("bcn,bcp->bpn", flakes.flatten(2), shifted.flatten(2))
    ends = (STRIDE * (rows - 1) + frame, STRIDE * (columns - 1) + frame)
    whole, half = fold(pieces, ends, kernel_size=frame, stride=STRIDE), KERNEL // 2
    return whole[..., half : half + height, half : half + width]


def capped(flakes: Tensor) -> Tensor:
    """Flakes scaled so that no block's mean exceeds the budget."""
    height, width = flakes.shape[-2:]
    means = avg_pool2d(flakes, BLOCK, ceil_mode=True, count_include_pad=False)
    shares = (BUDGET / means).clamp_max(1)
    spread = shares.repeat_interleave(BLOCK, -2).repeat_interleave(BLOCK, -1)
    return flakes * spread[..., :height, :width]


def streaks_from(drawn: Tensor) -> Tensor:
    """Seven blurred lines for each image, [B, 7, 13, 13], from uniform numbers [B, 4·7
    + 1]."""
    ends = (5 * drawn[:, : 2 * LAYERS]).long().clamp_max(4).chunk(2, 1)
    chance = drawn[:, 2 * LAYERS : 3 * LAYERS]
    widths = (chance >= 0.6).long() + (chance >= 0.9).long()
    sharp = sent(lines(), drawn.device).to(drawn.dtype)[ends[0], ends[1], widths]
    sharp = torch.where(drawn[:, -1, None, None, None] < 0.5, sharp.flip(-1), sharp)
    spread = 0.41 + 0.19 * drawn[:, 3 * LAYERS : -1, None]
    places = torch.arange(-1, 2, dtype=drawn.dtype, device=drawn.device)
    weights = (-((places / spread) ** 2) / 2).exp()
    weights = weights / weights.sum(-1, keepdim=True)
    return blurred(sharp, weights)


def blurred(images: Tensor, weights: Tensor) -> Tensor:
    """Each channel by its own three weights, along rows and columns."""
    count, channels, height, width = images.shape
    if not count:
        return images
    groups, flat = count * channels, images.reshape(1, -1, height, width)
    across, down = weights.reshape(groups, 1, 1, 3), weights.reshape(groups, 1, 3, 1)
    flat = conv2d(flat, across, padding=(0, 1), groups=groups)
    return conv2d(flat, down, padding=(1, 0), groups=groups).view_as(images)


@cache
def lines() -> Tensor:
    """Lines through the middle, by their end [row, column] and width: [5, 5, 3, 13, 13]."""
    made = [
        [[line(row, column, width) for width in (1, 3, 5)] for column in range(2, 7)]
        for row in range(2, 7)
    ]
    return torch.stack([torch.stack([torch.stack(c) for c in r]) for r in made])


def line(down: int, right: int, width: int) -> Tensor:
    """A smooth line from the middle to a point below and right of it, and as far back."""
    if right < down:
        return line(right, down, width).T
    half = KERNEL // 2
    slope = down / right
    # As in the released code; a line's true width would use the square of the slope.
    thickness = width * math.sqrt(1 + slope) / 2
    places = torch.arange(half + 1, dtype=torch.float64)
    distance = (places[:, None] - slope * places).abs()
    quarter = (1 + thickness / 2 - distance).clamp(0, 1) * (places <= right)
    whole = torch.zeros(KERNEL, KERNEL, dtype=torch.float64)
    whole[half:, half:] = quarter
    whole[: half + 1, : half + 1] = quarter.flip(0, 1)
    return whole
