"""AdvProp: attacked images as an augmentation, with separate batch norms."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.defenses.architectures.auxiliary_norm import auxiliary
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class AdvProp(Recipe):
    """The mean of the losses on clean and on attacked images. The auxiliary batch norms
    craft and learn the attacked images; tests use the main ones."""

    def __init__(self, threat: Threat) -> None:
        self.threat = threat

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        with auxiliary(model):
            attacked = self.threat(model, batch, rng)
            adversarial = functional.cross_entropy(model(attacked), batch.labels)
        clean = functional.cross_entropy(model(batch.images), batch.labels)
        return 0.5 * clean + 0.5 * adversarial
