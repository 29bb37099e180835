"""AutoAttack in its standard version: four attacks, each on what the others left."""

from dataclasses import dataclass

from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Amount, Count
from pipeline_steps.threats.attacks.apgd import Apgd
from pipeline_steps.threats.attacks.fab import Fab
from pipeline_steps.threats.attacks.square import Square
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.survivors import Survivors
from pipeline_steps.threats.threat import Attack
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Autoattack(Attack):
    """APGD-CE, APGD-T, FAB-T and Square in L∞, each from the clean image.

    The defaults are the standard version (docs/methods/attacks.md#autoattack); small
    scales use fewer steps and queries.
    """

    epsilon: Amount
    steps: Count = 100
    queries: Count = 5000
    targets: Count = 9

    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        parts: dict[str, Apgd | Fab | Square] = {
            "apgd-ce": Apgd(self.epsilon, "cross_entropy", self.steps),
            "apgd-t": Apgd(self.epsilon, "targeted", self.steps, 1, self.targets),
            "fab-t": Fab(self.epsilon, self.steps, self.targets),
            "square": Square(self.epsilon, self.queries),
        }
        with victim.frozen():
            survivors = Survivors(victim, batch, rng, *parts)
            for number, part in enumerate(parts.values(), 1):
                if len(survivors):
                    attacked = part(victim, survivors.batch, survivors.draws)
                    assert attacked.broken_by is not None
                    broken = attacked.broken_by >= 0
                    survivors.after(attacked.images, attacked.used, broken, number)
            return survivors.attacked
