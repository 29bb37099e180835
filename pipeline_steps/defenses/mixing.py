"""Mixtures of two images with both their labels."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.batch import mixed as mixed_batch


def mixed(batch: Batch, other: Tensor, share: Tensor, classes: int) -> Batch:
    """IM(x) and its label: a share of each image, and the rest of another (IJSAT eq. 5).

    Cross-entropy is linear in the label, so a mixed label gives the mixed loss.
    """
    labels = functional.one_hot(batch.labels, classes).to(batch.images)
    return mixed_batch(batch, labels, other, share)


def neighbours(batch: Batch, distance: int) -> Tensor:
    """For each image a partner nearby in the batch: in pairs at 1, in pairs of pairs at 2.

    Batches are drawn at random, so this pairs at random, and parts of a batch that other
    processes have are not needed.
    """
    rows = torch.arange(len(batch.images), device=batch.images.device)
    return (rows ^ distance).clamp_max(len(rows) - 1)
