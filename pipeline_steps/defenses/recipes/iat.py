"""Interpolated adversarial training: images are attacked first, and then mixed."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import BatchRng, PartRng
from pipeline_steps.core.settings import Count, Share
from pipeline_steps.defenses.mixing import mixed, neighbours
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch, moved
from pipeline_steps.threats.threat import Threat


class Iat(Recipe):
    """Mixup's loss on clean images and on attacked ones, each mixed separately.

    With `clean` 0 it is AT + mixup of IJSAT's ablation (table 4).
    """

    def __init__(
        self, threat: Threat, classes: Count, tau: Share = 1.0, clean: Share = 0.5
    ) -> None:
        self.threat, self.classes = threat, classes
        self.tau, self.clean = tau, clean

    def loss(self, model: nn.Module, batch: Batch, rng: BatchRng | PartRng) -> Tensor:
        attacked = moved(batch, self.threat(model, batch, rng))
        loss = (1 - self.clean) * self._mixup(model, attacked, 1, rng)
        if self.clean:
            loss = self.clean * self._mixup(model, batch, 2, rng) + loss
        return loss

    def _mixup(
        self, model: nn.Module, batch: Batch, distance: int, rng: BatchRng | PartRng
    ) -> Tensor:
        alpha = rng.beta(self.tau, self.tau)
        mixture = mixed(batch, neighbours(batch, distance), alpha, self.classes)
        return functional.cross_entropy(model(mixture.images), mixture.labels)
