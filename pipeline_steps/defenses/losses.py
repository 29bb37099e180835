"""Losses that several recipes use."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.objectives.margin import margins


def kl(clean: Tensor, attacked: Tensor) -> Tensor:
    """KL(p(x) ‖ p(x̂)) of two predictions, the mean over images (TRADES)."""
    return kl_of_each(clean, attacked).mean()


def kl_of_each(clean: Tensor, attacked: Tensor) -> Tensor:
    p, q = clean.log_softmax(dim=1), attacked.log_softmax(dim=1)
    return functional.kl_div(q, p, reduction="none", log_target=True).sum(dim=1)


def boosted_cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy plus a penalty on the likeliest wrong class (MART's BCE)."""
    probabilities = logits.softmax(dim=1)
    own = probabilities.gather(1, classes[:, None]).squeeze(1)
    wrong = margins(probabilities, classes) + own
    penalty = -torch.log(1.0001 - wrong + 1e-12)
    return functional.cross_entropy(logits, classes) + penalty.mean()
