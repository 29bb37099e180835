"""TRADES."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import NotNegative
from pipeline_steps.defenses.losses import kl
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class Trades(Recipe):
    """The clean loss, plus β times how far an attack moves the prediction."""

    def __init__(self, threat: Threat, beta: NotNegative = 6.0) -> None:
        self.threat, self.beta = threat, beta

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        attacked = self.threat(model, batch, rng)
        clean = model(batch.images)
        moved = kl(clean, model(attacked))
        return functional.cross_entropy(clean, batch.labels) + self.beta * moved
