"""A model that is attacked must neither learn nor change its mode."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def held_still(model: nn.Module) -> Iterator[None]:
    """Eval mode and frozen parameters for a while, then everything as before."""
    modes = [(module, module.training) for module in model.modules()]
    frozen = [(p, p.requires_grad) for p in model.parameters()]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, wanted in frozen:
            parameter.requires_grad_(wanted)
