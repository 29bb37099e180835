"""Cross-entropy: what most attacks raise."""

from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch


class CrossEntropy:
    """The cross-entropy to the label, or to the mixture of labels (IJSAT eq. 6)."""

    def __call__(self, logits: Tensor, batch: Batch, model: Any) -> Tensor:
        return functional.cross_entropy(logits, batch.labels, reduction="none")
