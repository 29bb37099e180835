"""The Kullback-Leibler divergence from the clean prediction (TRADES)."""

from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch


class Kl:
    """How far the prediction moves away from the one on the clean image."""

    def __call__(self, logits: Tensor, batch: Batch, model: Any) -> Tensor:
        clean = batch.answer_of(model).softmax(dim=1)
        edited = logits.log_softmax(dim=1)
        return functional.kl_div(edited, clean, reduction="none").sum(dim=1)
