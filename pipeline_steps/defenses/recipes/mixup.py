"""Mixup."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import BatchRng, Rng
from pipeline_steps.core.settings import Count, Share
from pipeline_steps.defenses.mixing import mixed
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch


class Mixup(Recipe):
    """Cross-entropy on mixtures of two images (IJSAT eq. 5), α ~ Beta(τ, τ)."""

    def __init__(
        self,
        classes: Count,
        tau: Share = 1.0,
        mixed_per: Literal["batch", "image"] = "batch",
    ) -> None:
        self.classes, self.tau, self.mixed_per = classes, tau, mixed_per

    def prepare(self, batch: Batch, rng: BatchRng) -> Batch:
        """IM(x) with its mixed labels."""
        count = len(batch.images)
        other = rng.permutation(count).to(batch.images.device)
        alphas = count if self.mixed_per == "image" else 1
        alpha = rng.beta(self.tau, self.tau, [alphas])
        return mixed(batch, other, alpha, self.classes)

    def loss(self, model: nn.Module, mixture: Batch, rng: Rng) -> Tensor:
        return functional.cross_entropy(model(mixture.images), mixture.labels)
