"""Interpolated joint space adversarial training (IJSAT Algorithm 1)."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import BatchRng, Rng
from pipeline_steps.core.settings import Count, Share, Threat
from pipeline_steps.threats.batch import Batch, mixed


class Ijsat:
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
        self.threat, self.classes = threat, classes
        self.tau, self.mixed_per = tau, mixed_per

    def prepare(self, batch: Batch, rng: BatchRng) -> Batch:
        """IM(x) with its mixed labels (lines 4 to 6).

        Cross-entropy is linear in the label, so the mixed label gives the mixed loss.
        """
        count = len(batch.images)
        other = rng.permutation(count).to(batch.images.device)
        alphas = count if self.mixed_per == "image" else 1
        alpha = rng.beta(self.tau, self.tau, [alphas]).to(batch.images)
        labels = functional.one_hot(batch.labels, self.classes).to(batch.images)
        return mixed(batch, labels, other, alpha)

    def loss(self, model: nn.Module, mixture: Batch, rng: Rng) -> Tensor:
        # The threat encodes the mixed image, so it starts at G⁻¹(IM(x)): line 7.
        attacked = self.threat(model, mixture, rng)
        return functional.cross_entropy(model(attacked), mixture.labels)  # line 9
