"""The running mean of a network's weights over its training (EMA)."""

import copy

import torch
from torch import nn


class Average:
    """A copy of a network that follows it slowly.

    Batch norm's running statistics are averaged with the weights they belong to;
    counters are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def follow(self, model: nn.Module, step: int) -> None:
        # At the start, average over few steps; otherwise the first weights would stay for long.
        kept = min(self.decay, (1 + step) / (10 + step))
        own, new = self.model.state_dict(), model.state_dict()
        for name, tensor in own.items():
            if tensor.is_floating_point():
                tensor.lerp_(new[name], 1 - kept)
            else:
                tensor.copy_(new[name])
