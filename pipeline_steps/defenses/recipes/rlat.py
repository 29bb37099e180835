"""RLAT: relaxed adversarial training by a perceptual distance."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Extent
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.balls import normalised
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import frozen
from pipeline_steps.threats.layers import added, features_of


class Rlat(Recipe):
    """Cross-entropy with the image and each layer's features moved by one step.

    A perceptual ball holds edits of all layers at once; its relaxation is a ball around
    each layer's features (docs/methods/baselines.md#rlat).
    """

    def __init__(self, epsilon: Extent) -> None:
        self.epsilon = epsilon

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        image, *features = self._steps(model, batch)
        with added(model, features):
            logits = model((batch.images + image).clamp(0, 1))
        return functional.cross_entropy(logits, batch.labels)

    def _steps(self, model: nn.Module, batch: Batch) -> list[Tensor]:
        """δ_l = ε_l·g_l/‖g_l‖, with ε_l = ε·(size of layer l/size of image)/(l + 1)."""
        leaf = torch.zeros_like(batch.images).requires_grad_()
        with frozen(model):
            features, logits = features_of(model, batch.images + leaf)
            loss = functional.cross_entropy(logits, batch.labels, reduction="sum")
            gradients = torch.autograd.grad(loss, [leaf, *features])
        return [
            self.epsilon * g[0].numel() / leaf[0].numel() / (layer + 1) * normalised(g)
            for layer, g in enumerate(gradients)
        ]
