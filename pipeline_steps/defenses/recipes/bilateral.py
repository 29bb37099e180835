"""Bilateral adversarial training, and with its own threats JAT."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import NotNegative, Positive
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.defenses.smoothing import adversarial_labels
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import frozen, logits_of
from pipeline_steps.threats.threat import Threat


class Bilateral(Recipe):
    """Attacks images and labels separately (Bilateral; JAT, Algorithm 3).

    JAT smooths labels by "a variant of" Bilateral's method without saying which; this
    is the method of Bilateral's code.
    """

    def __init__(
        self, threat: Threat, beta: NotNegative = 9.0, gamma: Positive = 0.01
    ) -> None:
        self.threat, self.beta, self.gamma = threat, beta, gamma

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        with frozen(model):
            clean = logits_of(model, batch.images)
        labels = adversarial_labels(clean, batch.labels, self.beta, self.gamma)
        attacked = self.threat(model, batch, rng)
        return functional.cross_entropy(model(attacked), labels)
