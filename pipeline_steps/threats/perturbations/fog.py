"""Weather: fog of a fractal shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Extent
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.filters import SMALLEST, stretched
from pipeline_steps.threats.perturbation import Perturbation

# How far a map of a batch of 16 goes from 0 either way, on average, where its first numbers
# move it by 1 at most: of a side of 64 as of 256, at the start of an attack as at its end.
TYPICAL = 1.27


@dataclass(frozen=True)
class Fog(Perturbation):
    """Fog in front of the image; the fog's shape is edited.

    See docs/methods/attacks.md#fog.

    Its parameters are the random numbers in [0, 1] that the diamond-square algorithm
    wants. Without any fog the image is still stretched to full brightness, as in the
    released code: this family does not hold the unedited image.
    """

    epsilon: Extent
    """How bright the fog is where it is densest, on the images' scale of 0 to 1; may
    exceed 1."""
    step_size: Extent
    """The step of the numbers in [0, 1]; UAR's is √(0.001/steps) for every epsilon."""
    cropped: bool = True
    """Whether the middle of a map is used whose side is the first power of two above the
    image's, as UAR does; off, the side may also be the image's, as DMAT's at 256 pixels."""
    limits: Literal["typical", "image", "batch"] = "typical"
    """Between which values a map is stretched to 0 and 1: those that a batch of 16 has on
    average; its own; or the batch's, as released. Then an image's fog depends on its
    neighbours, and on how many they are."""

    identity = False

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        numbers = self._side(batch) ** 2 - 1
        return [rng.uniform([len(batch.images), numbers]).to(batch.images)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        images, side = batch.images, self._side(batch)
        height, width = images.shape[-2:]
        top, left = (side - height) // 2, (side - width) // 2
        fog = self._stretched(plasma(parameters[0], side))
        fog = fog[..., top : top + height, left : left + width]
        brightest = images.amax((2, 3), keepdim=True) + self.epsilon
        whiter = (images + self.epsilon * fog) / brightest.clamp_min(SMALLEST)
        return whiter.clamp(0, 1)

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        moved = parameters[0] + self.step_size * gradients[0].sign()
        return [moved.clamp(0, 1)]

    def _stretched(self, field: Tensor) -> Tensor:
        if self.limits == "typical":
            return ((field / TYPICAL + 1) / 2).clamp(0, 1)
        if self.limits == "batch" and len(field):
            return (field - field.min()) / (field.max() - field.min())
        return stretched(field, field)

    def _side(self, batch: Batch) -> int:
        largest = max(batch.images.shape[-2:])
        return 1 << (largest if self.cropped else largest - 1).bit_length()


def plasma(numbers: Tensor, side: int, decay: float = 2.0) -> Tensor:
    """The diamond-square algorithm on a torus: a map [B, 1, side, side] from its numbers.

    It averages the true neighbours; the released code takes some from the next row.
    """
    field = numbers.new_zeros(len(numbers), 1, 1, 1)
    wibble, begin = 1.0, 0
    while (grid := field.shape[-1]) < side:
        wild = wibble * (2 * numbers[:, begin : begin + 3 * grid**2] - 1)
        begin += 3 * grid**2
        wibble /= decay
        middle, above, beside = wild.reshape(-1, 3, 1, grid, grid).unbind(1)
        to_right = field + field.roll(-1, -1)
        centres = (to_right + to_right.roll(-1, -2)) / 4 + middle
        edges = (to_right + centres + centres.roll(1, -2)) / 4 + above
        downwards = field + field.roll(-1, -2)
        sides = (downwards + centres + centres.roll(1, -1)) / 4 + beside
        upper, lower = interleaved(field, edges, -1), interleaved(sides, centres, -1)
        field = interleaved(upper, lower, -2)
    return field


def interleaved(first: Tensor, second: Tensor, dimension: int) -> Tensor:
    """The rows or columns of two maps, alternating."""
    pairs = torch.stack([first, second], dimension)
    return pairs.flatten(dimension - 1, dimension)
