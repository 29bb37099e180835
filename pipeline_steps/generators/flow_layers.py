"""The layers of a normalizing flow: bijections of images, and priors of what leaves.

A layer maps images x to z exactly and back. `forward` gives z with the logarithm of the
Jacobian's determinant, one number an image; `scaled` gives z with terms that need only
be summed for it, so that encoding pays nothing for a likelihood that nobody asked for.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

from pipeline_steps.core.rng import Rng

# Glow's factor on learned log-scales: they travel far, and so should move fast.
LOG_SCALE_SPEED = 3.0
# No scale exceeds e^2 or falls below e^-2, or decoding would blow up far from the data.
LOG_SCALE_LIMIT = 2.0
# Below the spread of dequantisation noise, 1/(255 * sqrt(12)), nothing is signal.
SMALLEST_SPREAD = 1e-3


def bounded(raw: Tensor) -> Tensor:
    """A log-scale within its limit, the identity near zero."""
    return LOG_SCALE_LIMIT * torch.tanh(raw / LOG_SCALE_LIMIT)


def empty_convolution(inputs: int, outputs: int, kernel: int, bias: bool) -> nn.Conv2d:
    """A convolution of which `draw_weights` is to fill the weights."""
    return nn.utils.skip_init(
        nn.Conv2d, inputs, outputs, kernel, padding=kernel // 2, bias=bias
    )


class FlowLayer(nn.Module):
    """A bijection that defines `scaled` and `inverse`."""

    def scaled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z, and log-scales [1 or B, C, H, W] that sum to the log-determinant."""
        raise NotImplementedError

    def inverse(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_scale = self.scaled(x)
        return z, log_scale.sum((1, 2, 3)).expand(len(x))


class Squeeze(FlowLayer):
    """Each 2x2 square of pixels becomes one pixel of four times the channels."""

    def scaled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # torch's own pixel_unshuffle forgets the channels of a batch of no images.
        count, channels, height, width = x.shape
        squares = x.reshape(count, channels, height // 2, 2, width // 2, 2)
        shape = (count, 4 * channels, height // 2, width // 2)
        return squares.permute(0, 1, 3, 5, 2, 4).reshape(shape), x.new_zeros(1, 1, 1, 1)

    def inverse(self, z: Tensor) -> Tensor:
        count, channels, height, width = z.shape
        squares = z.reshape(count, channels // 4, 2, 2, height, width)
        shape = (count, channels // 4, 2 * height, 2 * width)
        return squares.permute(0, 1, 4, 2, 5, 3).reshape(shape)


class ActNorm(FlowLayer):
    """A shift and a scale of each channel, which start by standardising a batch."""

    fitted: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.raw_log_scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("fitted", torch.tensor(False))
        # Plain, not a tensor: to read a tensor at each pass would make a GPU wait.
        self.fitting = False

    @property
    def log_scale(self) -> Tensor:
        return LOG_SCALE_SPEED * self.raw_log_scale

    def normalised(self, x: Tensor) -> Tensor:
        if self.fitting:
            self._fit(x)
        return (x + self.bias) * self.log_scale.exp()

    def scaled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.normalised(x)
        return z, self.log_scale.expand(1, *z.shape[1:])

    def inverse(self, z: Tensor) -> Tensor:
        return z * (-self.log_scale).exp() - self.bias

    @torch.no_grad()
    def _fit(self, x: Tensor) -> None:
        mean = x.mean((0, 2, 3))
        spread = x.var((0, 2, 3), unbiased=False).sqrt().clamp_min(SMALLEST_SPREAD)
        self.bias.copy_(-mean[:, None, None])
        self.raw_log_scale.copy_(-spread.log()[:, None, None] / LOG_SCALE_SPEED)
        self.fitted.fill_(True)


class InvertibleConvolution(FlowLayer):
    """A 1x1 convolution by W = P L (U + diag(sign exp(s))), Glow section 3.2."""

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        square = torch.zeros(channels, channels)
        self.lower = nn.Parameter(square.clone())
        self.upper = nn.Parameter(square.clone())
        self.log_diagonal = nn.Parameter(torch.zeros(channels))
        self.register_buffer("permutation", torch.eye(channels))
        self.register_buffer("sign", torch.ones(channels))

    @torch.no_grad()
    def draw_weights(self, rng: Rng) -> None:
        """A random rotation, taken apart."""
        normal = rng.normal(self.lower.shape).double()
        rotation = torch.linalg.qr(normal).Q
        permutation, lower, upper = torch.linalg.lu(rotation)
        self.permutation.copy_(permutation)
        self.lower.copy_(lower.tril(-1))
        self.upper.copy_(upper.triu(1))
        self.sign.copy_(upper.diagonal().sign())
        self.log_diagonal.copy_(upper.diagonal().abs().log())

    def _factors(self) -> tuple[Tensor, Tensor]:
        """L and U + diag(sign exp(s)), in double precision."""
        lower = self.lower.double().tril(-1)
        diagonal = self.sign.double() * self.log_diagonal.double().exp()
        lower = lower + torch.eye(len(diagonal), dtype=lower.dtype, device=lower.device)
        return lower, self.upper.double().triu(1) + diagonal.diag()

    def scaled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lower, upper = self._factors()
        matrix = self.permutation.double() @ lower @ upper
        log_scale = self.log_diagonal[:, None, None].expand(1, *x.shape[1:])
        return conv2d(x, matrix.to(x.dtype)[:, :, None, None]), log_scale

    def inverse(self, z: Tensor) -> Tensor:
        lower, upper = self._factors()
        permuted = self.permutation.double().T
        half = torch.linalg.solve_triangular(
            lower, permuted, upper=False, unitriangular=True
        )
        matrix = torch.linalg.solve_triangular(upper, half, upper=True)
        return conv2d(z, matrix.to(z.dtype)[:, :, None, None])


class AffineCoupling(FlowLayer):
    """One half of the channels is shifted and scaled as the other half tells."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = empty_convolution(channels // 2, width, 3, bias=False)
        self.first_norm = ActNorm(width)
        self.second = empty_convolution(width, width, 1, bias=False)
        self.second_norm = ActNorm(width)
        self.last = ScaledConvolution(width, channels)

    @torch.no_grad()
    def draw_weights(self, rng: Rng) -> None:
        for convolution in (self.first, self.second):
            convolution.weight.copy_(0.05 * rng.normal(convolution.weight.shape))

    def _told(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The log-scale and the shift of the other half."""
        hidden = relu(self.first_norm.normalised(self.first(kept)))
        hidden = relu(self.second_norm.normalised(self.second(hidden)))
        raw, shift = self.last(hidden).chunk(2, 1)
        return bounded(raw), shift

    def scaled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, other = x.chunk(2, 1)
        log_scale, shift = self._told(kept)
        return torch.cat([kept, (other + shift) * log_scale.exp()], 1), log_scale

    def inverse(self, z: Tensor) -> Tensor:
        kept, other = z.chunk(2, 1)
        log_scale, shift = self._told(kept)
        return torch.cat([kept, other * (-log_scale).exp() - shift], 1)


class ScaledConvolution(nn.Module):
    """A 3x3 convolution that starts as zero, with a learned scale of its outputs."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = empty_convolution(inputs, outputs, 3, bias=True)
        self.raw_log_scale = nn.Parameter(torch.zeros(outputs, 1, 1))
        for parameter in self.convolution.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x) * (LOG_SCALE_SPEED * self.raw_log_scale).exp()


class Prior(nn.Module):
    """A Gaussian of the channels that leave, given those that are kept.

    It enters the likelihood and samples alone; what leaves is never changed by it.
    """

    kept: int

    def moments(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log-scale."""
        raise NotImplementedError

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, : self.kept], x[:, self.kept :]

    def join(self, kept: Tensor, removed: Tensor) -> Tensor:
        return torch.cat([kept, removed], 1)

    def log_density(self, kept: Tensor, removed: Tensor) -> Tensor:
        mean, log_scale = self.moments(kept)
        standard = (removed - mean) * (-log_scale).exp()
        terms = -0.5 * (standard.square() + math.log(2 * math.pi)) - log_scale
        return terms.sum((1, 2, 3))

    def draw(self, kept: Tensor, noise: Tensor) -> Tensor:
        mean, log_scale = self.moments(kept)
        return mean + log_scale.exp() * noise


class SplitPrior(Prior):
    """Half of the channels leave, and a convolution of the others tells of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kept = channels // 2
        self.told = ScaledConvolution(self.kept, 2 * (channels - self.kept))

    def moments(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.told(kept).chunk(2, 1)
        return mean, bounded(raw)


class TopPrior(Prior):
    """Everything leaves: a learned Gaussian of each coordinate."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.kept = 0
        self.mean = nn.Parameter(torch.zeros(channels, size, size))
        self.raw_log_scale = nn.Parameter(torch.zeros(channels, size, size))

    def moments(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean, bounded(LOG_SCALE_SPEED * self.raw_log_scale)
