"""SNGAN (Miyato et al., 2018): a residual GAN whose discriminator is Lipschitz by norm.

As kwotsin/mimicry trains it on CIFAR-10 (docs/methods/generators.md#sngan), with the paper's
nearest-neighbour upsampling. Images are edited and projected in z.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng, rng
from pipeline_steps.core.settings import Count
from pipeline_steps.generators.generator import ApproximateGenerator, Critic
from pipeline_steps.generators.plain_layers import Xavier, draw_xavier
from pipeline_steps.generators.resolution import (
    Growth,
    check_size,
    doubled,
    halved,
)

# The number of power steps for a new weight, as in torch's spectral norm.
FIRST_STEPS = 15
# Batches of images that give batch norm its statistics after training.
BATCHES_TO_SETTLE, BATCH_TO_SETTLE = 10, 100


class Spectral(Xavier):
    """The same, its weight divided by its largest singular value (SNGAN, Algorithm 1)."""

    right: Tensor

    def __init__(self, *shape: int, gain: float = 1.0) -> None:
        super().__init__(*shape, gain=gain)
        self.register_buffer("right", torch.zeros(math.prod(shape[1:])))

    @torch.no_grad()
    def draw_weights(self, rng: Rng) -> None:
        super().draw_weights(rng)
        self.right.copy_(normalize(rng.normal(self.right.shape), dim=0))
        for _ in range(FIRST_STEPS):
            self.step()

    @torch.no_grad()
    def step(self) -> None:
        """One step of the power method towards the first right singular vector."""
        matrix = self.weight.flatten(1)
        left = normalize(matrix @ self.right, dim=0)
        self.right.copy_(normalize(matrix.T @ left, dim=0))

    def scaled_weight(self) -> Tensor:
        matrix = self.weight.flatten(1)
        with torch.autocast(matrix.device.type, enabled=False):
            left = normalize((matrix @ self.right).detach(), dim=0)
            if self.training:
                self.step()
            # The next pass moves the buffer, and this one's backward pass may come later.
            norm = left @ matrix @ self.right.clone()
        return self.weight / norm


class LargerBlock(nn.Module):
    """A residual block of the generator: twice the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(inputs)
        self.first = Xavier(outputs, inputs, 3, 3, gain=math.sqrt(2))
        self.second_norm = nn.BatchNorm2d(outputs)
        self.second = Xavier(outputs, outputs, 3, 3, gain=math.sqrt(2))
        self.around = Xavier(outputs, inputs, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        inside = self.first(doubled(relu(self.first_norm(x))))
        inside = self.second(relu(self.second_norm(inside)))
        return inside + doubled(self.around(x))


class JudgingBlock(nn.Module):
    """A residual block of the discriminator, which may halve the size."""

    def __init__(self, inputs: int, outputs: int, halves: bool, first: bool) -> None:
        super().__init__()
        self.first = Spectral(outputs, inputs, 3, 3, gain=math.sqrt(2))
        self.second = Spectral(outputs, outputs, 3, 3, gain=math.sqrt(2))
        changes = halves or inputs != outputs
        self.around = Spectral(outputs, inputs, 1, 1) if changes else nn.Identity()
        self.resize = halved if halves else nn.Identity()
        self.entry = nn.Identity() if first else relu

    def forward(self, x: Tensor) -> Tensor:
        inside = self.second(relu(self.first(self.entry(x))))
        return self.resize(inside) + self.resize(self.around(x))


class Sngan(ApproximateGenerator):
    """SNGAN: residual blocks with batch norm, edited in z."""

    def __init__(
        self,
        channels: int,
        size: int,
        latents: Count = 128,
        width: Count = 256,
        judging_width: Count = 128,
    ) -> None:
        super().__init__()
        check_size(size, "SNGAN")
        self.latents, self.width, self.size = latents, width, size
        self.colours, self.judging_width = channels, judging_width
        self.start = Xavier(16 * width, latents)
        self.blocks = nn.Sequential(
            *(LargerBlock(width, width) for _ in range(int(math.log2(size // 4))))
        )
        self.norm = nn.BatchNorm2d(width)
        self.to_colours = Xavier(channels, width, 3, 3)
        self.draw_weights(rng(0, "sngan"))

    @property
    def dimensions(self) -> int:
        return self.latents

    def draw_weights(self, rng: Rng) -> None:
        draw_xavier(self, rng)

    def discriminator(self) -> "Discriminator":
        """The network that this generator learns against."""
        return Discriminator(self.colours, self.judging_width)

    def decode(self, latents: Tensor) -> Tensor:
        """The images of vectors z, [n, latents]."""
        if latents.ndim != 2 or latents.shape[1] != self.dimensions:
            raise PipelineError(
                f"SNGAN decodes latents of shape [images, {self.dimensions}], not "
                f"{list(latents.shape)}; project the images with this very generator"
            )
        x = self.start(latents).unflatten(1, (self.width, 4, 4))
        x = self.to_colours(relu(self.norm(self.blocks(x))))
        return (torch.tanh(x.float()) + 1) / 2

    @torch.no_grad()
    def sample(self, count: int, rng: Rng, temperature: float = 0.7) -> Tensor:
        """New images; the temperature is the spread of z."""
        drawn = rng.normal([count, self.dimensions])
        return self.decode(temperature * drawn.to(self.start.weight))

    def imagine(
        self, count: int, rng: Rng, growth: Growth, mixing: float = 0.0
    ) -> Tensor:
        """Generated images for training; SNGAN neither grows nor mixes styles."""
        return self.decode(rng.normal([count, self.dimensions]).to(self.start.weight))

    def latent_statistics(self, rng: Rng, count: int = 0) -> tuple[Tensor, float]:
        """The mean of z and its spread, which are known."""
        return self.start.weight.new_zeros(self.dimensions), 1.0

    @torch.no_grad()
    def settle(self, rng: Rng) -> None:
        """After training, batch norm's statistics are computed from the final
        weights."""
        norms = [m for m in self.modules() if isinstance(m, _BatchNorm)]
        before = self.training, [norm.momentum for norm in norms]
        self.train()
        for done in range(BATCHES_TO_SETTLE):
            for norm in norms:
                norm.momentum = 1 / (done + 1)  # the mean of all batches
            self.sample(BATCH_TO_SETTLE, rng, temperature=1.0)
        self.train(before[0])
        for norm, momentum in zip(norms, before[1], strict=True):
            norm.momentum = momentum


class Discriminator(Critic):
    """The discriminator: its output is above zero where images look real."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            JudgingBlock(channels, width, halves=True, first=True),
            JudgingBlock(width, width, halves=True, first=False),
            JudgingBlock(width, width, halves=False, first=False),
            JudgingBlock(width, width, halves=False, first=False),
        )
        self.judgement = Spectral(1, width)

    def draw_weights(self, rng: Rng) -> None:
        draw_xavier(self, rng)

    def forward(self, images: Tensor, growth: Growth) -> Tensor:
        x = relu(self.blocks(2 * images - 1)).sum((2, 3))
        judged: Tensor = self.judgement(x)
        return judged.float()[:, 0]
