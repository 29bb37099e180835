"""StyleGAN (Karras et al., 2019): a mapping of noise to styles, and a synthesis by them.

Images are edited and projected in W+, a style for every layer, as one vector.
"""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng, rng
from pipeline_steps.core.settings import Count
from pipeline_steps.generators.generator import ApproximateGenerator, Critic
from pipeline_steps.generators.resolution import (
    Growth,
    check_size,
    doubled,
    halved,
)
from pipeline_steps.generators.style_layers import (
    EqualConvolution,
    Equalised,
    EqualLinear,
    FirstBlock,
    GrowingBlock,
    LastBlock,
    ShrinkingBlock,
    activated,
    normalised_pixels,
)

# The mapping learns this much more slowly than the rest (docs/methods/generators.md#stylegan).
MAPPING_SPEED = 0.01
# Truncation draws styles towards the mean in the first layers alone (the same).
TRUNCATED_ROWS = 8
STYLES_FOR_MEAN = 10_000


def channels_at(size: int, width: int, base: int) -> int:
    """The published table: 512 up to 32 pixels, then half as many at twice the size."""
    return min(width, max(1, 2 * base // size))


class Stylegan(ApproximateGenerator):
    """StyleGAN v1: styles from a mapping network, AdaIN synthesis with noise, W+."""

    mean_latent: Tensor

    def __init__(
        self,
        channels: int,
        size: int,
        width: Count = 512,
        base: Count = 8192,
        mapping: Count = 8,
    ) -> None:
        super().__init__()
        check_size(size, "StyleGAN")
        self.size, self.width, self.base, self.colours = size, width, base, channels
        self.sizes = [2**n for n in range(2, int(math.log2(size)) + 1)]
        self.rows = 2 * len(self.sizes)  # 2 log2(size) - 2
        of = [channels_at(s, width, base) for s in self.sizes]
        self.mapping: Any = nn.ModuleList(
            EqualLinear(width, width, speed=MAPPING_SPEED) for _ in range(mapping)
        )
        self.blocks: Any = nn.ModuleList([FirstBlock(of[0], width)])
        self.blocks.extend(
            GrowingBlock(before, now, width) for before, now in itertools.pairwise(of)
        )
        self.to_colours: Any = nn.ModuleList(
            EqualConvolution(c, channels, 1, gain=1.0) for c in of
        )
        self.register_buffer("mean_latent", torch.zeros(width))
        self.draw_weights(rng(0, "stylegan"))
        draw = rng(0, "stylegan", "noise")
        for row in range(self.rows):
            self.register_buffer(f"noise_{row}", draw.normal(self._noise_shape(1, row)))

    @property
    def dimensions(self) -> int:
        return self.rows * self.width

    def draw_weights(self, rng: Rng) -> None:
        draw_equalised(self, rng)

    def discriminator(self) -> "Discriminator":
        """The network that this generator learns against."""
        return Discriminator(self.colours, self.size, self.width, self.base)

    def styles(self, z: Tensor) -> Tensor:
        """The mapping network: w of noise, [n, width], always in full precision."""
        with torch.autocast(z.device.type, enabled=False):
            z = normalised_pixels(z)
            for layer in self.mapping:
                z = activated(layer(z))
            return z

    def decode(self, latents: Tensor) -> Tensor:
        """The images of vectors in W+, [n, rows * width], under noise that stays."""
        if latents.ndim != 2 or latents.shape[1] != self.dimensions:
            raise PipelineError(
                f"StyleGAN decodes latents of shape [images, {self.dimensions}], not "
                f"{list(latents.shape)}; project the images with this very generator"
            )
        noise = [getattr(self, f"noise_{row}") for row in range(self.rows)]
        styles = latents.unflatten(1, (self.rows, self.width))
        return self.synthesis(styles, noise, Growth(self.size))

    @torch.no_grad()
    def sample(self, count: int, rng: Rng, temperature: float = 0.7) -> Tensor:
        """New images; the temperature is the paper's truncation ψ."""
        like = self.mean_latent
        w = self.styles(rng.normal([count, self.width]).to(like))
        styles = w[:, None].repeat(1, self.rows, 1)
        some = styles[:, :TRUNCATED_ROWS]
        styles[:, :TRUNCATED_ROWS] = like.lerp(some, temperature)
        return self.synthesis(styles, self._noise(count, rng), Growth(self.size))

    def imagine(
        self, count: int, rng: Rng, growth: Growth, mixing: float = 0.0
    ) -> Tensor:
        """Generated images for training; some take their later styles from another
        latent."""
        rows = 2 * self._depth(growth)
        both = rng.normal([count, 2 * self.width]).to(self.mean_latent)
        w = self.styles(both[:, : self.width])[:, None].expand(-1, rows, -1)
        if mixing:
            # The crossover is drawn for each image, not for each batch as in the
            # official code: several processes then draw what one would.
            chance, cut = rng.uniform([count, 2]).to(both)[:, :, None].unbind(1)
            row = torch.arange(rows, device=both.device)
            other = (row >= 1 + (cut * (rows - 1)).floor()) & (chance < mixing)
            w = torch.where(
                other[:, :, None], self.styles(both[:, self.width :])[:, None], w
            )
        return self.synthesis(w, self._noise(count, rng), growth)

    def synthesis(self, styles: Tensor, noise: list[Tensor], growth: Growth) -> Tensor:
        """Images, roughly in [0, 1], from a style and noise for every layer."""
        x, before, depth = None, None, self._depth(growth)
        for n, block in enumerate(self.blocks[:depth]):
            part = slice(2 * n, 2 * n + 2)
            x, before = block(x, styles[:, part], noise[part]), x
        images = self.to_colours[depth - 1](x)
        if growth.alpha < 1:
            smaller = doubled(self.to_colours[depth - 2](before))
            images = smaller.lerp(images, growth.alpha)
        return (images.float() + 1) / 2

    @torch.no_grad()
    def latent_statistics(
        self, rng: Rng, count: int = STYLES_FOR_MEAN
    ) -> tuple[Tensor, float]:
        """The mean of W in every row, and the root mean square distance from it.

        StyleGAN2's projector uses the same; the number of samples is DMAT's
        (docs/methods/generators.md#projection).
        """
        w = self.styles(rng.normal([count, self.width]).to(self.mean_latent))
        mean = w.mean(0)
        spread = (w - mean).square().sum(1).mean().sqrt()
        return mean.repeat(self.rows), float(spread)

    def settle(self, rng: Rng) -> None:
        """After training: the mean style, towards which samples are truncated.

        The official code tracks it during training; here it is computed from the final
        weights.
        """
        self.mean_latent.copy_(self.latent_statistics(rng)[0][: self.width])

    def _depth(self, growth: Growth) -> int:
        return self.sizes.index(growth.size) + 1

    def _noise_shape(self, count: int, row: int) -> list[int]:
        return [count, 1, self.sizes[row // 2], self.sizes[row // 2]]

    def _noise(self, count: int, rng: Rng) -> list[Tensor]:
        return [
            rng.normal(self._noise_shape(count, row)).to(self.mean_latent)
            for row in range(self.rows)
        ]


class Discriminator(Critic):
    """The discriminator at any stage of growth: its output is above zero where images
    look real."""

    def __init__(self, channels: int, size: int, width: int, base: int) -> None:
        super().__init__()
        self.sizes = [2**n for n in range(2, int(math.log2(size)) + 1)]
        of = [channels_at(s, width, base) for s in self.sizes]
        self.from_colours: Any = nn.ModuleList(
            EqualConvolution(channels, c, 1) for c in of
        )
        self.blocks: Any = nn.ModuleList([LastBlock(of[0])])
        self.blocks.extend(
            ShrinkingBlock(now, after) for after, now in itertools.pairwise(of)
        )

    def draw_weights(self, rng: Rng) -> None:
        draw_equalised(self, rng)

    def forward(self, images: Tensor, growth: Growth) -> Tensor:
        images = 2 * images - 1
        top = self.sizes.index(growth.size)
        x = activated(self.from_colours[top](images))
        for n in range(top, -1, -1):
            x = self.blocks[n](x)
            if n == top and growth.alpha < 1:
                smaller = activated(self.from_colours[top - 1](halved(images)))
                x = smaller.lerp(x, growth.alpha)
        return x.float()


def draw_equalised(network: nn.Module, rng: Rng) -> None:
    for module in network.modules():
        if isinstance(module, Equalised):
            module.draw_weights(rng)
