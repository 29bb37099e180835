"""A batch and a small smooth network, on which attacks are quick and exact."""

import pytest
import torch
from torch import nn

from pipeline_steps.core.rng import rng
from pipeline_steps.defenses.load import new_model
from pipeline_steps.threats.batch import Batch


def batch_of(count=6, low=0.0, high=1.0):
    images = low + (high - low) * rng(0, "images").uniform([count, 3, 8, 8])
    return Batch(images, torch.arange(count) % 3)


@pytest.fixture
def batch():
    return batch_of()


@pytest.fixture
def middle():
    """Images so far from 0 and 1 that no small edit is cut."""
    return batch_of(low=0.3, high=0.7)


@pytest.fixture
def model(toy_architecture) -> nn.Module:
    """In training mode, with batch norm that has seen other images."""
    model = new_model(toy_architecture, seed=0)
    for _ in range(5):
        model(rng(1, "other images").uniform([16, 3, 8, 8]))
    return model
