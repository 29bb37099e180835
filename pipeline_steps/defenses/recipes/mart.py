"""MART: misclassification aware adversarial training."""

from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import NotNegative
from pipeline_steps.defenses.losses import boosted_cross_entropy, kl_of_each
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class Mart(Recipe):
    """A boosted loss on attacked images, plus how far the attack moves the prediction.
    The second part has more weight the less sure the model is of the clean image."""

    def __init__(self, threat: Threat, beta: NotNegative = 6.0) -> None:
        self.threat, self.beta = threat, beta

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        attacked = self.threat(model, batch, rng)
        clean, logits = model(batch.images), model(attacked)
        sure = clean.softmax(dim=1).gather(1, batch.labels[:, None]).squeeze(1)
        moved = kl_of_each(clean, logits) * (1.0000001 - sure)
        return boosted_cross_entropy(logits, batch.labels) + self.beta * moved.mean()
