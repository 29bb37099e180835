"""DMAT with TRADES' loss."""

from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import NotNegative
from pipeline_steps.defenses.losses import kl
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.generators.generator import Generator
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class DmatTrades(Recipe):
    """The clean loss, plus how far attacks in both spaces move the prediction."""

    def __init__(
        self,
        generator: Generator,
        image: Threat,
        latent: Threat,
        beta: NotNegative = 6.0,
    ) -> None:
        self.generator, self.image, self.latent = generator, image, latent
        self.beta = beta

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        x = replace(batch, images=batch.on_manifold(self.generator))  # g(w)
        image, latent = self.image(model, x, rng), self.latent(model, x, rng)
        clean = model(x.images)
        moved = kl(clean, model(image)) + kl(clean, model(latent))
        # DMAT eq. 11
        return functional.cross_entropy(clean, batch.labels) + self.beta * moved
