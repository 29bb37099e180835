"""The priors of a flow: how likely the latents are that leave at a level."""

import math

import torch
from torch import Tensor, nn

from pipeline_steps.generators.flow_layers import (
    LOG_SCALE_SPEED,
    ScaledConvolution,
    bounded,
)


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


class StandardPrior(Prior):
    """What leaves is N(0, 1), whatever is kept."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept

    def moments(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        zero = kept.new_zeros(1, 1, 1, 1)
        return zero, zero
