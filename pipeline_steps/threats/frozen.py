"""Freezes a network while it is attacked, so that it neither learns nor changes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Eval mode and frozen parameters inside the `with` block; afterwards everything is
    as before."""
    modes = [(m, m.training) for network in networks for m in network.modules()]
    learning = [
        (p, p.requires_grad) for network in networks for p in network.parameters()
    ]
    for network in networks:
        network.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, learns in learning:
            parameter.requires_grad_(learns)


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """The logits, without a graph."""
    with torch.no_grad():
        logits: Tensor = model(images)
    return logits
