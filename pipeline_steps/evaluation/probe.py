"""Checks of a defense that show whether attacks on it can be trusted."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from pipeline_steps.threats.frozen import frozen, logits_of

# The number of images, from the start of the test set.
PROBED = 64


def probe(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """What is suspect in the defense itself, whatever the threat."""
    images, labels = images[:PROBED], labels[:PROBED]
    with frozen(model):
        logits = logits_of(model, images)
        again = logits_of(model, images)
        return {
            "same_when_asked_twice": torch.equal(logits, again),
            "without_gradient": round(_without_gradient(model, images, labels), 4),
            "optimises_at_inference": _optimises(model, images),
            "answers_probabilities": _are_probabilities(logits),
        }


def _without_gradient(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images at which the loss does not depend on any pixel."""
    leaf = images.detach().requires_grad_()
    loss = functional.cross_entropy(model(leaf), labels, reduction="sum")
    if not loss.requires_grad:
        return 1.0
    (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
    if gradient is None:
        return 1.0
    return float((gradient.flatten(1) == 0).all(dim=1).float().mean())


def _optimises(model: nn.Module, images: Tensor) -> bool:
    """Whether it builds a graph for gradients even when none are requested."""
    kept = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(True)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        logits_of(model, images)
    return bool(kept)


def _are_probabilities(logits: Tensor) -> bool:
    sums = logits.sum(dim=1)
    near_one = torch.allclose(sums, torch.ones_like(sums), atol=1e-4)
    return bool(near_one and (logits >= 0).all())
