"""Several threats as one: each image under the worst of them."""

from dataclasses import dataclass

from torch import nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Threat, Word
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.frozen import frozen, logits_of, misclassified
from pipeline_steps.threats.survivors import Survivors


@dataclass(frozen=True)
class Ensemble:
    """One threat after the other, each on the images that withstood those before it.

    An image counts as broken where the defense errs as it answers, its inference included.
    Each part sees as much of that inference as it does alone.
    """

    parts: dict[Word, Threat]

    sees_inference = True

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked:
        with frozen(model):
            survivors = Survivors(model, batch, rng, *self.parts)
            for number, threat in enumerate(self.parts.values(), 1):
                if len(survivors):
                    left = survivors.batch
                    attacked = threat(_seen_by(threat, model), left, survivors.draws)
                    logits = logits_of(model, attacked.images)
                    broken = misclassified(model, attacked.images, logits, left.classes)
                    survivors.after(attacked.images, attacked.used, broken, number)
            return survivors.told


def _seen_by(threat: Threat, model: nn.Module) -> nn.Module:
    """The defense, or its static network where a threat knows nothing of an inference."""
    if getattr(threat, "sees_inference", False):
        return model
    static: nn.Module = getattr(model, "static", model)
    return static
