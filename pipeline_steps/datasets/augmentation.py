"""Augmentation of whole batches: drawn once, and applied to everything that must stay
aligned.

A projected image and its latent belong together, and a latent can't be shifted. DMAT
does not say how it keeps them aligned (docs/methods/ijsat.md#dmat-on-cifar). The safe
way is to augment after the generator: latents stay as they are, and the decoded image
is moved like the original.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.device import sent
from pipeline_steps.core.rng import BatchRng
from pipeline_steps.datasets.spec import Augmentation


@dataclass(frozen=True)
class Moves:
    """How each image of a batch is augmented; it can be applied several times."""

    pad: int = 0
    shift: Tensor | None = None
    """How many rows and columns each image moves, from 0 to twice the padding."""
    mirrored: Tensor | None = None
    side: int = 0
    centre: Tensor | None = None
    """Rows and columns around which a square is cut out of each image."""

    def apply(self, images: Tensor) -> Tensor:
        """The moved images, of any type; gradients pass through."""
        if self.shift is not None or self.mirrored is not None:
            images = self._placed(images)
        if self.centre is not None:
            covered = _squares(sent(self.centre, images.device), self.side, images)
            images = images.masked_fill(covered, 0)
        return images.contiguous()

    def take(self, rows: Tensor | slice) -> "Moves":
        """The augmentation of some images of the batch."""
        rows = rows.cpu() if isinstance(rows, Tensor) else rows
        return replace(
            self,
            shift=None if self.shift is None else self.shift[:, rows],
            mirrored=None if self.mirrored is None else self.mirrored[rows],
            centre=None if self.centre is None else self.centre[:, rows],
        )

    def _placed(self, images: Tensor) -> Tensor:
        count, channels, height, width = images.shape
        rows = torch.arange(height, device=images.device).expand(count, -1)
        columns = torch.arange(width, device=images.device).expand(count, -1)
        if self.mirrored is not None:
            mirrored = sent(self.mirrored, images.device)[:, None]
            columns = torch.where(mirrored, columns.flip(1), columns)
        if self.shift is not None:
            images = functional.pad(images, [self.pad] * 4)
            shift = sent(self.shift, images.device)[:, :, None]
            rows, columns = rows + shift[0], columns + shift[1]
        where = rows[:, :, None] * images.shape[3] + columns[:, None, :]
        where = where.reshape(count, 1, height * width).expand(-1, channels, -1)
        return images.flatten(2).gather(2, where).unflatten(2, (height, width))


def moves(images: Tensor, how: Augmentation, rng: BatchRng) -> Moves:
    """A random augmentation for each image of a batch."""
    count, _, height, width = images.shape
    shift = rng.integers(0, 2 * how.pad + 1, [2, count]) if how.pad else None
    mirrored = rng.uniform([count]) < 0.5 if how.flip else None
    centre = None
    if how.cutout:
        rows, columns = (rng.integers(0, side, [count]) for side in (height, width))
        centre = torch.stack([rows, columns])
    return Moves(how.pad, shift, mirrored, how.cutout, centre)


def augment(images: Tensor, how: Augmentation, rng: BatchRng) -> Tensor:
    """Each image shifted by up to `pad` pixels, mirrored with probability one half, and
    with a square cut out."""
    return moves(images, how, rng).apply(images)


def mixup(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Blends two batches image by image: IJSAT eq. 5.

    It mixes images, latents and distributions over classes alike.
    """
    share = share.to(first).reshape(-1, *[1] * (first.dim() - 1))
    return share * first + (1 - share) * second


def _squares(centre: Tensor, side: int, images: Tensor) -> Tensor:
    """Which pixels a square of this side covers; at the edges part of it falls
    outside."""

    def within(middle: Tensor, length: int) -> Tensor:
        at = torch.arange(length, device=images.device) - middle[:, None] + side // 2
        return (at >= 0) & (at < side)

    rows, columns = (
        within(centre[0], images.shape[2]),
        within(centre[1], images.shape[3]),
    )
    return (rows[:, :, None] & columns[:, None, :])[:, None]
