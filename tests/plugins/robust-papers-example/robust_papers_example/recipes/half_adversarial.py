"""Adversarial training with a share of images that are not attacked."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Share
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class HalfAdversarial(Recipe):
    """Cross-entropy on attacked images and on those as they are, weighed by a share."""

    def __init__(self, threat: Threat, clean: Share = 0.5) -> None:
        self.threat, self.clean = threat, clean

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        attacked = self.threat(model, batch, rng)
        hard = functional.cross_entropy(model(attacked), batch.labels)
        easy = functional.cross_entropy(model(batch.images), batch.labels)
        return self.clean * easy + (1 - self.clean) * hard
