"""Smoothed labels: uniformly, or by how confident the model is."""

import torch
from torch import Tensor
from torch.nn import functional


def smoothed(labels: Tensor, classes: int, mass: float) -> Tensor:
    """This share of the mass goes to the wrong classes, equally (ATLD, section V)."""
    own = functional.one_hot(labels, classes).float()
    return (1 - mass) * own + mass / (classes - 1) * (1 - own)


def adversarial_labels(
    logits: Tensor, labels: Tensor, beta: float, gamma: float
) -> Tensor:
    """Bilateral's labels against the model's clean logits.

    The likelier the model finds a wrong class, the less of the wrong classes' mass it is
    given (docs/methods/baselines.md#bilateral). This mass is between 1/(1 + β) and
    1/(1 + β/(C - 1)).
    """
    true = functional.one_hot(labels, logits.shape[1]).bool()
    losses = -logits.log_softmax(dim=1)
    least = losses.masked_fill(true, torch.inf).amin(dim=1, keepdim=True)
    above = (losses - least + gamma).masked_fill(true, 0)
    total = above.sum(dim=1, keepdim=True)
    mass = 1 / (1 + beta * above.amax(dim=1, keepdim=True) / total)
    return torch.where(true, 1 - mass, mass * above / total)
