"""How attacks treat a model: it must neither learn nor change, only answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
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


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """The logits, without a graph."""
    with torch.no_grad():
        logits: Tensor = model(images)
    return logits


def misclassified(
    model: nn.Module, images: Tensor, logits: Tensor, classes: Tensor
) -> Tensor:
    """For each image whether the model's answer to it is wrong.

    A model of low precision may err where the one of full precision, `exact`, does not;
    the latter's word counts, for it gives the verdict.
    """
    wrong = logits.argmax(dim=1) != classes
    exact = getattr(model, "exact", None)
    if exact is not None and wrong.any():
        sure = logits_of(exact, images[wrong]).argmax(dim=1) != classes[wrong]
        wrong[wrong.nonzero().squeeze(1)] = sure
    return wrong
