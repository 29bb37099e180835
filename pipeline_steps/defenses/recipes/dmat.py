"""Dual manifold adversarial training."""

from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.generators.generator import Generator
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class Dmat(Recipe):
    """Half the loss on images attacked in image space, half on those in latent space.

    DMAT eq. 10 with its released code's weights; the paper prints the plain sum.
    """

    def __init__(self, generator: Generator, image: Threat, latent: Threat) -> None:
        self.generator, self.image, self.latent = generator, image, latent

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        x = replace(batch, images=batch.on_manifold(self.generator))  # g(w)
        image, latent = self.image(model, x, rng), self.latent(model, x, rng)
        # Two forward passes: batch norm sees each of the two by itself.
        return 0.5 * functional.cross_entropy(
            model(image), batch.labels
        ) + 0.5 * functional.cross_entropy(model(latent), batch.labels)
