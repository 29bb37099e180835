"""Where released codes lie, and the small network and raw digits that they are given."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from pipeline_steps.core.rng import image_rng
from pipeline_steps.threats.batch import Batch

COUNT, CLASSES = 40, 10


def variable(repository: str) -> str:
    return repository.rpartition("/")[2].upper().replace("-", "_")


def place_of(repository: str) -> Path:
    """Where a repository was checked out; the test is skipped if nothing tells."""
    name = variable(repository)
    if not os.environ.get(name):
        pytest.skip(f"{name} names no checkout of {repository}")
    place = Path(os.environ[name])
    assert place.is_dir(), f"{name}={place} is no folder"
    return place


class Net(nn.Module):
    """A small network without any layer that knows training from evaluation."""

    def __init__(self, double: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, CLASSES)
            )
        if double:
            self.double()

    def forward(self, images: Tensor) -> Tensor:
        told: Tensor = self.layers(images)
        return told


def digits(double: bool = True) -> Batch:
    """Raw digits, most of whose pixels are exactly 0."""
    data = load_digits()
    images = torch.tensor(data.images[:COUNT] / 16)[:, None]
    images = images if double else images.float()
    return Batch(images, torch.tensor(data.target[:COUNT]))


def draw() -> Any:
    return image_rng(0, range(COUNT), "attack")
