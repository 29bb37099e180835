"""Normal training."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import Rng
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.threats.batch import Batch


class Normal(Recipe):
    """Cross-entropy on the images as they are."""

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        return functional.cross_entropy(model(batch.images), batch.labels)
