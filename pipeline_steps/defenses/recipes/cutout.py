"""Cutout."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import BatchRng, Rng
from pipeline_steps.core.settings import Count
from pipeline_steps.datasets.augmentation import augment
from pipeline_steps.datasets.spec import Augmentation
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch, moved


class Cutout(Recipe):
    """Cross-entropy on images with a square cut out.

    The authors cut normalised images, so their squares have the mean colour.
    """

    def __init__(self, side: Count = 16) -> None:
        self.side = side

    def prepare(self, batch: Batch, rng: BatchRng) -> Batch:
        left = torch.ones_like(batch.images[:, :1])
        left = augment(left, Augmentation(cutout=self.side), rng)
        colour = batch.images.mean(dim=(0, 2, 3), keepdim=True)
        return moved(batch, torch.where(left > 0, batch.images, colour))

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        return functional.cross_entropy(model(batch.images), batch.labels)
