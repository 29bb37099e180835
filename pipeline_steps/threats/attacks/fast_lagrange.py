"""The fast Lagrangian perceptual attack, with which Fast-PAT trains."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Count, Extent
from pipeline_steps.threats.balls import length, normalised, over_image
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.layers import features_of, perceived
from pipeline_steps.threats.objectives.margin import margins
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim

PROBE = 0.1  # how far the distance is looked ahead along the gradient


@dataclass(frozen=True)
class FastLagrange(Attack):
    """Raises the margin, minus a growing penalty on perceptual distance beyond a bound.

    The attacked network's own layers measure the distance. There is no final
    projection, and only correctly classified images are attacked. See
    docs/methods/attacks.md#fast-lagrangian-attack.
    """

    bound: Extent
    steps: Count = 10

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        with victim.frozen():
            right = victim.logits_of(batch.images).argmax(1) == batch.classes
            climbed = self._climb(victim.exact, batch, rng)
        images = torch.where(over_image(right, climbed), climbed, batch.images)
        return Attacked(images, self.steps * right.long())

    def _climb(self, network: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        images = batch.images
        with torch.no_grad():
            clean = perceived(features_of(network, images)[0])
        addition = 0.01 * rng.normal(images.shape).to(images)
        for step in range(self.steps):
            passed = step / self.steps
            leaf = addition.detach().requires_grad_()
            features, logits = features_of(network, images + leaf)
            seen = perceived(features)
            beyond = (length(seen - clean) - self.bound).relu()
            penalty = 10 * 0.1 ** (1 - passed)
            gain = margins(logits, batch.classes) - penalty * beyond
            (gradient,) = torch.autograd.grad(gain.sum(), leaf)
            with torch.no_grad():
                uphill = normalised(gradient)
                ahead = features_of(network, images + leaf + PROBE * uphill)[0]
                slope = length(perceived(ahead) - seen) / PROBE
                # The step length that changes the perceptual distance by this share of
                # the bound.
                size = self.bound * 0.1**passed / (slope + 1e-8)
                moved = images + leaf + over_image(size, leaf) * uphill
                addition = moved.clamp(0, 1) - images
        return images + addition
