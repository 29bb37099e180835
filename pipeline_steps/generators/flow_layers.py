"""The layers of a normalizing flow: bijections of images.

A layer maps images x to z exactly and back; on its way it tells the logarithm of the
Jacobian's determinant, one number an image.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

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
    """A bijection: `forward` gives z and the log-determinant, `inverse` x again."""

    def inverse(self, z: Tensor) -> Tensor:
        raise NotImplementedError


class Centred(FlowLayer):
    """Images in [0, 1] around zero."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x - 0.5, x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        return z + 0.5


class Logit(FlowLayer):
    """The logit of images in [0, 1], drawn in so far that black and white are finite.

    Whatever is decoded lies within [-margin, 1 + margin] / (1 - 2 margin).
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        inner = self.margin + (1 - 2 * self.margin) * x
        slopes = math.log(1 - 2 * self.margin) - inner.log() - (-inner).log1p()
        return inner.logit(), slopes.sum((1, 2, 3))

    def inverse(self, z: Tensor) -> Tensor:
        return (z.sigmoid() - self.margin) / (1 - 2 * self.margin)


def pixels(x: Tensor) -> int:
    return x.shape[2] * x.shape[3]


def mixed(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """The channels of each pixel, multiplied by a matrix."""
    weight = matrix.to(x.dtype)[:, :, None, None]
    return conv2d(x, weight, None if bias is None else bias.to(x.dtype))


class Squeeze(FlowLayer):
    """Each 2x2 square of pixels becomes one pixel of four times the channels."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # torch's own pixel_unshuffle forgets the channels of a batch of no images.
        count, channels, height, width = x.shape
        squares = x.reshape(count, channels, height // 2, 2, width // 2, 2)
        shape = (count, 4 * channels, height // 2, width // 2)
        return squares.permute(0, 1, 3, 5, 2, 4).reshape(shape), x.new_zeros(count)

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

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.fitting:
            self.fit(x)
        z = (x + self.bias) * self.log_scale.exp()
        return z, pixels(x) * self.log_scale.sum().expand(len(x))

    def after(self, convolution: nn.Conv2d, x: Tensor) -> Tensor:
        """What follows a convolution, folded into it: weights are fewer than pixels."""
        if self.fitting:
            self.fit(convolution(x))
        scale = self.log_scale.exp()
        weight, bias = convolution.weight * scale[:, None], self.bias * scale
        return conv2d(x, weight, bias.flatten(), padding=convolution.padding)

    def inverse(self, z: Tensor) -> Tensor:
        return z * (-self.log_scale).exp() - self.bias

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
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

    def matrix(self) -> Tensor:
        lower, upper = self._factors()
        return self.permutation.double() @ lower @ upper

    def inverse_matrix(self) -> Tensor:
        lower, upper = self._factors()
        permuted = self.permutation.double().T
        half = torch.linalg.solve_triangular(
            lower, permuted, upper=False, unitriangular=True
        )
        return torch.linalg.solve_triangular(upper, half, upper=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return mixed(x, self.matrix()), pixels(x) * self.log_diagonal.sum().expand(
            len(x)
        )

    def inverse(self, z: Tensor) -> Tensor:
        return mixed(z, self.inverse_matrix())


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

    def _scale_and_shift(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The log-scale and the shift of the other half."""
        # With channels innermost the convolutions copy nothing: a fifth faster on a CPU.
        hidden = kept.contiguous(memory_format=torch.channels_last)
        hidden = self.first_norm.after(self.first, hidden).relu_()
        hidden = self.second_norm.after(self.second, hidden).relu_()
        raw, shift = self.last(hidden).chunk(2, 1)
        return bounded(raw), shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, other = x.chunk(2, 1)
        log_scale, shift = self._scale_and_shift(kept)
        z = torch.cat([kept, (other + shift) * log_scale.exp()], 1)
        return z, log_scale.sum((1, 2, 3))

    def inverse(self, z: Tensor) -> Tensor:
        kept, other = z.chunk(2, 1)
        log_scale, shift = self._scale_and_shift(kept)
        return torch.cat([kept, other * (-log_scale).exp() - shift], 1)


class Step(FlowLayer):
    """Actnorm, invertible convolution and affine coupling, Glow table 1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = ActNorm(channels)
        self.convolution = InvertibleConvolution(channels)
        self.coupling = AffineCoupling(channels, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.norm.fitting:
            self.norm.fit(x)
        # W ((x + b) e^s), in one pass over the pixels.
        shift, log_scale = self._norm()
        matrix = self.convolution.matrix() * log_scale.exp()
        z, log_det = self.coupling(mixed(x, matrix, matrix @ shift))
        slopes = self.norm.log_scale.sum() + self.convolution.log_diagonal.sum()
        return z, log_det + pixels(x) * slopes

    def _norm(self) -> tuple[Tensor, Tensor]:
        """The shift and the log-scale of actnorm, in double precision."""
        norm = self.norm
        return norm.bias.flatten().double(), norm.log_scale.flatten().double()

    def inverse(self, z: Tensor) -> Tensor:
        shift, log_scale = self._norm()
        matrix = (-log_scale).exp()[:, None] * self.convolution.inverse_matrix()
        return mixed(self.coupling.inverse(z), matrix, -shift)


class ScaledConvolution(nn.Module):
    """A 3x3 convolution that starts as zero, with a learned scale of its outputs."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution: Any = empty_convolution(inputs, outputs, 3, bias=True)
        self.raw_log_scale = nn.Parameter(torch.zeros(outputs, 1, 1))
        for parameter in self.convolution.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        scale = (LOG_SCALE_SPEED * self.raw_log_scale).exp()
        bias = self.convolution.bias * scale.flatten()
        return conv2d(x, self.convolution.weight * scale[:, None], bias, padding=1)
