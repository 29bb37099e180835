"""Plain layers, defined by the shape of their weight."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from pipeline_steps.core.rng import Rng


class Xavier(nn.Module):
    """A linear layer, or a convolution, with Xavier's first weights."""

    def __init__(self, *shape: int, gain: float = 1.0, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.gain = gain

    @torch.no_grad()
    def draw_weights(self, rng: Rng) -> None:
        outputs, inputs, *kernel = self.weight.shape
        fans = (inputs + outputs) * math.prod(kernel)
        bound = self.gain * math.sqrt(6 / fans)
        self.weight.copy_(bound * (2 * rng.uniform(self.weight.shape) - 1))

    def scaled_weight(self) -> Tensor:
        return self.weight

    def forward(self, x: Tensor) -> Tensor:
        weight = self.scaled_weight()
        if weight.ndim == 2:
            return linear(x, weight, self.bias)
        return conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)


def draw_xavier(network: nn.Module, rng: Rng) -> None:
    for module in network.modules():
        if isinstance(module, Xavier):
            module.draw_weights(rng)
