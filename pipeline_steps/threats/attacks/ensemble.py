"""Several threats as one: each image under the worst of them."""

from dataclasses import dataclass

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Word
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.survivors import Survivors
from pipeline_steps.threats.threat import Attack, Threat
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Ensemble(Attack):
    """One threat after the other, each on the images that withstood those before it.

    An image counts as broken where the defense errs as it answers, its inference included.
    Each part sees as much of that inference as it does alone.
    """

    parts: dict[Word, Threat]

    sees_inference = True

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        with victim.frozen():
            survivors = Survivors(victim, batch, rng, *self.parts)
            for number, threat in enumerate(self.parts.values(), 1):
                if len(survivors):
                    left = survivors.batch
                    attacked = threat.against(victim, left, survivors.draws)
                    logits = victim.logits_of(attacked.images)
                    broken = victim.misclassified(attacked.images, logits, left.classes)
                    survivors.after(attacked.images, attacked.used, broken, number)
            return survivors.attacked
