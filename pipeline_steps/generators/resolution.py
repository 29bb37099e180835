"""Images of several resolutions: how a GAN grows from one to the next."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from pipeline_steps.core.errors import PipelineError


def doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="nearest")


def halved(x: Tensor) -> Tensor:
    return avg_pool2d(x, 2)


@dataclass(frozen=True)
class Growth:
    """A resolution, and how far its newest block is faded in."""

    size: int
    alpha: float = 1.0

    def reals(self, images: Tensor) -> Tensor:
        """Real images at the current resolution, so that sharpness doesn't give them
        away."""
        while images.shape[-1] > self.size:
            images = halved(images)
        if self.alpha < 1:
            images = doubled(halved(images)).lerp(images, self.alpha)
        return images


def check_size(size: int, whose: str) -> None:
    if size < 8 or size & (size - 1):
        raise PipelineError(
            f"{whose} grows from 4 pixels by doubling, so it needs a power of two, 8 "
            f"or more, not {size} pixels; choose another data set or another generator"
        )
