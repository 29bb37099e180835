"""A discriminator's view of the logits: what ATLD's manifold attack raises."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class Discriminator(Objective):
    """How sure the model's own discriminator is that logits are those of an attacked image.

    It is the companion that the model was trained with; its first answer tells natural
    (1) from attacked (0), as in ATLD's released code. For the attack '(Cla+D)' of ATLD's
    table V the classifier's objective is raised besides. The paper doesn't say whether
    its attacks lead away from the natural manifold, as in training, or hide on it.
    """

    towards: Literal["attacked", "natural"] = "attacked"
    classifier: Objective | None = None

    @property
    def compares(self) -> bool:
        return self.classifier is not None and self.classifier.compares

    def aim(self, batch: Batch, victim: Victim, rng: Rng) -> Tensor | None:
        return self.classifier.aim(batch, victim, rng) if self.classifier else None

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        companion = victim.companion
        if companion is None:
            raise PipelineError(
                "the objective 'discriminator' needs a defense that was trained with "
                "a discriminator; give this defense a `companion`, or choose another "
                "threat"
            )
        natural: Tensor = companion(logits).flatten(1)[:, 0]
        gain = -functional.softplus(natural)  # -BCE(D(f(x)), 0)
        if self.towards == "natural":
            gain = -functional.softplus(-natural)
        if self.classifier:
            gain = gain + self.classifier(logits, batch, victim)
        return gain
