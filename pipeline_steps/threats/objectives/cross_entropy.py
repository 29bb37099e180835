"""Cross-entropy: what most attacks raise."""

from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.victim import Victim


class CrossEntropy(Objective):
    """The cross-entropy to the label, or to the mixture of labels (IJSAT eq. 6)."""

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        return functional.cross_entropy(logits, batch.labels, reduction="none")
