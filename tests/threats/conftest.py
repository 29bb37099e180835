"""A batch and a small smooth network, on which attacks are quick and exact."""

from dataclasses import dataclass

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import avg_pool2d

from pipeline_steps.core.rng import rng
from pipeline_steps.defenses.load import new_model
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import frozen


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


@dataclass(frozen=True)
class Defense:
    """A network that was trained on attacked digits, and digits that it never saw."""

    model: nn.Module
    batch: Batch
    epsilon: float

    def first(self, count: int) -> Batch:
        return self.batch.take(torch.arange(count))

    def accuracy(self, images: Tensor) -> float:
        right = self.model(images).argmax(dim=1) == self.batch.labels[: len(images)]
        return 100 * float(right.float().mean())


@pytest.fixture(scope="session")
def defense() -> Defense:
    """Ten classes, of which about half withstand edits of the budget."""
    loaded, epsilon, batch = load_digits(), 0.15, 100
    images = torch.tensor(loaded.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(loaded.target)
    entry = {"architecture": "small_cnn", "classes": 10, "channels": 1, "width": 8}
    model, draw = new_model(entry, seed=0), rng(0, "training")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(6):
        for rows in draw.permutation(1400).split(batch):
            leaf = images[rows].requires_grad_()
            with frozen(model):
                loss = functional.cross_entropy(model(leaf), labels[rows])
                (gradient,) = torch.autograd.grad(loss, leaf)
            edited = (leaf + epsilon / 2 * gradient.sign()).clamp(0, 1).detach()
            optimiser.zero_grad()
            functional.cross_entropy(model(edited), labels[rows]).backward()
            optimiser.step()
    model.eval().requires_grad_(False)
    return Defense(model, Batch(images[1400:1500], labels[1400:1500]), epsilon)


class Enlarged(nn.Module):
    """A network of small grey images, for coloured ones four times as large."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.model(avg_pool2d(images.mean(1, keepdim=True), 4))
        return answer


# Under which a part of these images withstands each unseen attack.
BUDGETS = {
    "fog": 192,
    "snow": 1,
    "gabor": 75,
    "elastic": 0.7,
    "jpeg": 256,
    "l1": 15000,
    "l2": 1000,
}


@pytest.fixture(scope="session")
def enlarged(defense: Defense) -> tuple[nn.Module, Tensor, Tensor, dict[str, float]]:
    """A network, 48 images of 32 pixels with their labels, and budgets of unseen attacks."""
    batch = defense.first(48)
    large = batch.images.repeat_interleave(4, 2).repeat_interleave(4, 3)
    images = large.expand(-1, 3, -1, -1).contiguous()
    return Enlarged(defense.model).eval(), images, batch.labels, BUDGETS
