"""Interpolated joint space adversarial training (IJSAT Algorithm 1)."""

from dataclasses import replace
from typing import Literal

from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Count, Share
from pipeline_steps.defenses.recipes.mixup import Mixup
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class Ijsat(Mixup):
    """Robust Mixup: images are mixed first, and the mixture is attacked.

    The paper prints Beta(-τ, τ), which does not exist; Beta(τ, τ) is meant. It does not
    say whether α belongs to a batch or to an image: `mixed_per` chooses.
    """

    def __init__(
        self,
        threat: Threat,
        classes: Count,
        tau: Share = 0.1,
        mixed_per: Literal["batch", "image"] = "batch",
    ) -> None:
        super().__init__(classes, tau, mixed_per)
        self.threat = threat

    def loss(self, model: nn.Module, mixture: Batch, rng: Rng) -> Tensor:
        # The threat encodes the mixed image, so it starts at G⁻¹(IM(x)): line 7.
        attacked = self.threat(model, mixture, rng)
        return super().loss(model, replace(mixture, images=attacked), rng)  # line 9
