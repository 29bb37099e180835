"""Ice on the window, from photographs of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import is_large, levels, strength

# How much of the image stays, and how much of the ice is added.
SMALL = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))
LARGE = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))


class Frost:
    """A random cut of a random photograph of ice, added to the image."""

    def __init__(self, textures: Sequence[Tensor]) -> None:
        self.textures = textures

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        kept, added = strength(images, severity, SMALL, LARGE)
        textures = list(self.textures)
        if not is_large(images):
            # Scaled to a fifth bilinearly, which takes the middle of every five pixels.
            textures = [texture[:, 2::5, 2::5] for texture in textures]
        textures = [texture[: images.shape[1]] for texture in textures]
        draws = rng.uniform([len(images), 3]).tolist()
        ice = [_cut(textures, images.shape[-1], *draw) for draw in draws]
        return (levels(images) * kept + torch.stack(ice).float() * added) / 255


def _cut(
    textures: Sequence[Tensor], size: int, which: float, down: float, right: float
) -> Tensor:
    texture = textures[int(which * len(textures))]
    rows, columns = texture.shape[1] - size, texture.shape[2] - size
    if min(rows, columns) < 0:
        raise PipelineError(
            f"a photograph of frost has {texture.shape[1]} × {texture.shape[2]} pixels, "
            f"too few for images of {size}; leave frost out for this data set"
        )
    top, left = int(down * rows), int(right * columns)
    return texture[:, top : top + size, left : left + size]
