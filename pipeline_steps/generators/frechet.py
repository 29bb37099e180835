"""The Fréchet distance between two sets of features, each taken as a Gaussian.

Heusel et al., 2017, eq. 6: |m - m'|² + trace(C + C' - 2 (C C')^½).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.core.errors import PipelineError


@dataclass(frozen=True)
class Moments:
    """The mean and the covariance of features, in double precision."""

    mean: Tensor
    covariance: Tensor


def moments(batches: Iterable[Tensor]) -> Moments:
    """Those of features [n, d] that come in batches; none but sums are kept."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for features in batches:
        # Off the device, for some have no double precision.
        rows = features.double().cpu()
        count += len(rows)
        total = total + rows.sum(0)
        squares = squares + rows.T @ rows
    if count < 2:
        raise PipelineError("a covariance needs two images or more; judge more of them")
    mean = total / count
    covariance = (squares - count * mean.outer(mean)) / (count - 1)
    return Moments(mean, covariance)


def root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric matrix that has no eigenvalue below zero."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def frechet_distance(first: Moments, second: Moments) -> float:
    """Zero for equal moments.

    The trace of (C C')^½ is that of (C^½ C' C^½)^½, which is symmetric: its root needs
    no small number on the diagonal, and can't become complex, as that of C C' can.
    """
    half = root(first.covariance)
    both = torch.linalg.eigvalsh(half @ second.covariance @ half).clamp_min(0)
    apart = (first.mean - second.mean).square().sum()
    traces = first.covariance.trace() + second.covariance.trace()
    return float((apart + traces - 2 * both.sqrt().sum()).clamp_min(0))
