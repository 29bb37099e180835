"""Mixtures of two images with both their labels."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.batch import mixed as mixed_batch


def mixed(batch: Batch, other: Tensor, share: Tensor, classes: int) -> Batch:
    """IM(x) and its label: each image blended with another by a share (IJSAT eq. 5).

    Cross-entropy is linear in the label, so a mixed label gives the mixed loss.
    """
    labels = functional.one_hot(batch.labels, classes).to(batch.images)
    return mixed_batch(batch, labels, other, share)


def neighbours(batch: Batch, distance: int) -> Tensor:
    """A partner for each image, nearby in the batch: within pairs at distance 1, within
    pairs of pairs at distance 2.

    Batches are drawn at random, so partners are random too, and no process needs
    another's part of the batch.
    """
    rows = torch.arange(len(batch.images), device=batch.images.device)
    return (rows ^ distance).clamp_max(len(rows) - 1)
