"""Glow (Kingma and Dhariwal, 2018): a flow whose every level keeps its raw latents."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from pipeline_steps.core.device import tf32
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng, rng
from pipeline_steps.core.settings import Count, Share
from pipeline_steps.generators.flow_layers import (
    ActNorm,
    AffineCoupling,
    Centred,
    InvertibleConvolution,
    Logit,
    Squeeze,
    Step,
)
from pipeline_steps.generators.flow_priors import (
    Prior,
    SplitPrior,
    StandardPrior,
    TopPrior,
)
from pipeline_steps.generators.generator import ExactGenerator

# Canonical images hold k/255, so a pixel's cell in [0, 1] is this wide.
CELL = 1 / 255

Network = TypeVar("Network", bound=nn.Module)
Method = Callable[[Network, Tensor], Tensor]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Neither autocast nor TF32: with them W times its inverse is not the identity."""
    with tf32(False), torch.autocast(device.type, enabled=False):
        yield


def precisely(method: Method[Network]) -> Method[Network]:
    """Runs a method of one tensor in full precision, even inside autocast."""

    @wraps(method)
    def wrapped(self: Network, x: Tensor) -> Tensor:
        with full_precision(x.device):
            return method(self, x.to(next(self.parameters()).dtype))

    return wrapped


class Level(nn.Module):
    """A squeeze, the steps of flow, and the prior of the latents that leave
    afterwards."""

    def __init__(self, channels: int, steps: int, width: int, prior: Prior) -> None:
        super().__init__()
        steps_of_flow = [Step(channels, width) for _ in range(steps)]
        self.layers: Any = nn.ModuleList([Squeeze(), *steps_of_flow])
        self.prior = prior

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z, and the log-determinant of all layers."""
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_determinant = layer(x)
            total = total + log_determinant
        return x, total

    def inverse(self, z: Tensor) -> Tensor:
        for layer in reversed(self.layers):
            z = layer.inverse(z)
        return z


def halvings(size: int) -> int:
    """How often images can be halved until they have two pixels a side."""
    return 1 + halvings(size // 2) if size > 2 and size % 2 == 0 else 0


def prior_of(kind: str, channels: int, kept: int, size: int) -> Prior:
    if kind == "standard":
        return StandardPrior(kept)
    return SplitPrior(channels) if kept else TopPrior(channels, size)


class Glow(ExactGenerator):
    """A flow of images: actnorm, invertible 1x1 convolution and affine coupling.

    Latents are raw, in one vector, level 1 first; docs/methods/generators.md#glow
    explains why they are not standardised. Without `levels` there are as many as leave
    two pixels a side.
    """

    def __init__(
        self,
        size: Count,
        channels: Count,
        steps: Count = 8,
        width: Count = 512,
        levels: Count | None = None,
        prior: Literal["learned", "standard"] = "learned",
        logit_margin: Share = 0.0,
    ) -> None:
        super().__init__()
        most = halvings(size)
        levels = most if levels is None else levels
        if not 0 < levels <= most:
            raise PipelineError(
                f"Glow halves its images at each of its levels (now {levels}), and "
                f"images of {size} pixels allow {most}; lower 'levels' in "
                "generators.yaml, or choose another data set or another generator"
            )
        self.image_shape = (channels, size, size)
        self.shapes: list[tuple[int, int, int]] = []
        self.entrance = Logit(logit_margin) if logit_margin else Centred()
        self.blocks: Any = nn.ModuleList()
        for number in range(1, levels + 1):
            channels, size = 4 * channels, size // 2
            kept = channels // 2 if number < levels else 0
            own = prior_of(prior, channels, kept, size)
            self.blocks.append(Level(channels, steps, width, own))
            self.shapes.append((channels - kept, size, size))
            channels = kept
        self.draw_weights(rng(0, "glow"))

    @property
    def dimensions(self) -> int:
        return math.prod(self.image_shape)

    @property
    def level_slices(self) -> list[slice]:
        """The position of each level's latents in the vector, level 1 first."""
        slices, start = [], 0
        for shape in self.shapes:
            slices.append(slice(start, start + math.prod(shape)))
            start += math.prod(shape)
        return slices

    def draw_weights(self, rng: Rng) -> None:
        """Fresh weights; couplings and priors start as the identity and N(0, 1)."""
        for module in self.modules():
            if isinstance(module, InvertibleConvolution | AffineCoupling):
                module.draw_weights(rng)

    def initialise(self, images: Tensor) -> None:
        """Let every actnorm that was never fitted standardise this batch."""
        layers = [m for m in self.modules() if isinstance(m, ActNorm)]
        try:
            for layer in layers:
                layer.fitting = not layer.fitted
            with torch.no_grad():
                self.encode(images)
        finally:
            for layer in layers:
                layer.fitting = False

    @precisely
    def encode(self, images: Tensor) -> Tensor:
        """The raw latents of all levels, [B, D]."""
        return torch.cat([z.flatten(1) for _, _, z, _ in self._levels(images)], 1)

    @precisely
    def decode(self, latents: Tensor) -> Tensor:
        """The images of any latents [B, D], the exact inverse of `encode`."""
        if latents.ndim != 2 or latents.shape[1] != self.dimensions:
            raise PipelineError(
                f"Glow decodes latents of shape [images, {self.dimensions}], not "
                f"{list(latents.shape)}; encode the images with this very generator"
            )
        x = self._nothing(len(latents), latents)
        parts = zip(self.blocks, self.level_slices, self.shapes, strict=True)
        for level, place, shape in reversed(list(parts)):
            removed = latents[:, place].unflatten(1, shape)
            x = level.inverse(level.prior.join(x, removed))
        return self.entrance.inverse(x)

    @precisely
    def log_likelihood(self, images: Tensor) -> Tensor:
        """The log-density of each image in [0, 1], in nats."""
        total = images.new_zeros(len(images))
        for level, kept, removed, log_determinant in self._levels(images):
            total = total + log_determinant + level.prior.log_density(kept, removed)
        return total

    def dequantised(self, images: Tensor, noise: Tensor) -> Tensor:
        """Images spread over their pixels' cells by noise in [0, 1).

        The clean pixel is the middle of its cell, so `encode` wants no noise.
        """
        return images + (noise - 0.5) * CELL

    def bits_per_dimension(self, images: Tensor, noise: Tensor) -> Tensor:
        """The code length of each image, dequantised with noise in [0, 1)."""
        nats = -self.log_likelihood(
            self.dequantised(images, noise)
        ) / self.dimensions - math.log(CELL)
        return nats / math.log(2)

    @torch.no_grad()
    def sample(self, count: int, rng: Rng, temperature: float = 0.7) -> Tensor:
        """New images, from the top level down."""
        like = next(self.parameters())
        with full_precision(like.device):
            x = self._nothing(count, like)
            for level, shape in reversed(
                list(zip(self.blocks, self.shapes, strict=True))
            ):
                noise = temperature * rng.normal([count, *shape]).to(like)
                x = level.inverse(level.prior.join(x, level.prior.draw(x, noise)))
        return self.entrance.inverse(x)

    def _levels(self, images: Tensor) -> Iterator[tuple[Level, Tensor, Tensor, Tensor]]:
        """For each level: the channels kept, the latents that leave, and the
        log-determinant."""
        if tuple(images.shape[1:]) != self.image_shape:
            raise PipelineError(
                f"Glow encodes images of shape [images, {self.image_shape[0]}, "
                f"{self.image_shape[1]}, {self.image_shape[2]}], not "
                f"{list(images.shape)}; use the generator of this very data set"
            )
        x, before = self.entrance(images)
        for level in self.blocks:
            x, log_determinant = level(x)
            x, removed = level.prior.split(x)
            yield level, x, removed, before + log_determinant
            before = torch.zeros_like(before)

    def _nothing(self, count: int, like: Tensor) -> Tensor:
        """What remains above the top level: no channels."""
        return like.new_empty(count, 0, *self.shapes[-1][1:])
