"""The layers of StyleGAN (Karras et al., 2019), with equalised learning rates.

A weight is kept at spread one and scaled where it is used (Progressive GAN, section 4.1),
so that Adam moves all layers alike.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear, pad

from pipeline_steps.core.rng import Rng
from pipeline_steps.generators.resolution import doubled, halved

SLOPE = 0.2
# He's gain, for layers followed by a leaky ReLU.
GAIN = math.sqrt(2)


class Equalised(nn.Module):
    """A weight of spread one; `speed` below one makes the layer learn more slowly."""

    def __init__(
        self, shape: tuple[int, ...], bias: bool, gain: float, speed: float
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.scale = gain * speed / math.sqrt(math.prod(shape[1:]))
        self.speed = speed

    @torch.no_grad()
    def draw_weights(self, rng: Rng) -> None:
        self.weight.copy_(rng.normal(self.weight.shape) / self.speed)

    def scaled(self) -> tuple[Tensor, Tensor | None]:
        bias = None if self.bias is None else self.bias * self.speed
        return self.weight * self.scale, bias


class EqualLinear(Equalised):
    """A linear layer."""

    def __init__(
        self, inputs: int, outputs: int, gain: float = GAIN, speed: float = 1.0
    ) -> None:
        super().__init__((outputs, inputs), True, gain, speed)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, *self.scaled())


class EqualConvolution(Equalised):
    """A convolution that keeps the size of its images."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        bias: bool = True,
        gain: float = GAIN,
    ) -> None:
        super().__init__((outputs, inputs, kernel, kernel), bias, gain, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, *self.scaled(), padding=self.weight.shape[-1] // 2)


def activated(x: Tensor) -> Tensor:
    return leaky_relu(x, SLOPE)


def normalised_pixels(z: Tensor) -> Tensor:
    """Each vector scaled to mean square one."""
    return z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def normalised_channels(x: Tensor) -> Tensor:
    """Each channel of each image normalised to mean zero and standard deviation one."""
    variance, mean = torch.var_mean(x.float(), (2, 3), correction=0, keepdim=True)
    return ((x - mean) * (variance + 1e-8).rsqrt()).to(x.dtype)


def blurred(x: Tensor) -> Tensor:
    """Smoothed by the binomial filter 1 2 1, which hides the squares of resizing."""
    # Sums of shifted images: a convolution takes ten times as long, both ways, on a CPU.
    x = pad(x, [1, 1, 1, 1])
    x = x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]
    return (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 16


def with_spread(x: Tensor, group: int = 4) -> Tensor:
    """Adds a channel with the standard deviation within a group of images, so that D
    sees variety.

    Groups are consecutive images, so that several processes, which divide a batch by
    rows, form the same groups as one.
    """
    size = next(n for n in range(min(group, len(x)), 0, -1) if len(x) % n == 0)
    groups = x.float().unflatten(0, (-1, size))
    spread = (groups.var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    channel = spread.repeat_interleave(size)[:, None, None, None]
    return torch.cat([x, channel.expand(-1, 1, *x.shape[2:]).to(x.dtype)], 1)


class Styled(nn.Module):
    """Noise and activation, then AdaIN: a style sets each channel's mean and spread."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.noise_scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.style = EqualLinear(width, 2 * channels, gain=1.0)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        x = activated(x + self.noise_scale * noise + self.bias)
        scale, shift = self.style(style)[:, :, None, None].chunk(2, 1)
        return normalised_channels(x) * (scale + 1) + shift


class FirstBlock(nn.Module):
    """4x4 pixels, from a learned constant."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.ones(1, channels, 4, 4))
        self.first = Styled(channels, width)
        self.convolution = EqualConvolution(channels, channels, 3, bias=False)
        self.second = Styled(channels, width)

    def forward(self, _: Tensor | None, styles: Tensor, noise: list[Tensor]) -> Tensor:
        x = self.first(self.constant, styles[:, 0], noise[0])
        return self.second(self.convolution(x), styles[:, 1], noise[1])


class GrowingBlock(nn.Module):
    """Doubles the size of its input."""

    def __init__(self, inputs: int, channels: int, width: int) -> None:
        super().__init__()
        self.larger = EqualConvolution(inputs, channels, 3, bias=False)
        self.first = Styled(channels, width)
        self.convolution = EqualConvolution(channels, channels, 3, bias=False)
        self.second = Styled(channels, width)

    def forward(self, x: Tensor, styles: Tensor, noise: list[Tensor]) -> Tensor:
        x = self.first(blurred(self.larger(doubled(x))), styles[:, 0], noise[0])
        return self.second(self.convolution(x), styles[:, 1], noise[1])


class ShrinkingBlock(nn.Module):
    """Halves the size, in the discriminator."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.convolution = EqualConvolution(inputs, inputs, 3)
        self.smaller = EqualConvolution(inputs, channels, 3, bias=False)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = blurred(activated(self.convolution(x)))
        return activated(halved(self.smaller(x)) + self.bias)


class LastBlock(nn.Module):
    """Turns 4x4 pixels into one output."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = EqualConvolution(channels + 1, channels, 3)
        self.dense = EqualLinear(16 * channels, channels)
        self.judgement = EqualLinear(channels, 1, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        x = activated(self.convolution(with_spread(x)))
        judged: Tensor = self.judgement(activated(self.dense(x.flatten(1))))
        return judged[:, 0]
