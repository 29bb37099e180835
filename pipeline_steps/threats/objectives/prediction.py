"""Cross-entropy to what the model itself predicts, so that no label leaks."""

from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch


class Prediction:
    """The cross-entropy to the class predicted for the clean image (Adversarial-LA)."""

    def __call__(self, logits: Tensor, batch: Batch, model: Any) -> Tensor:
        predicted = batch.answer_of(model).argmax(dim=1)
        return functional.cross_entropy(logits, predicted, reduction="none")
