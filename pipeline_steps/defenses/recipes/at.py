"""Adversarial training."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class At(Recipe):
    """Cross-entropy on attacked images alone (IJSAT eq. 3)."""

    def __init__(self, threat: Threat) -> None:
        self.threat = threat

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        attacked = self.threat(model, batch, rng)
        return functional.cross_entropy(model(attacked), batch.labels)
