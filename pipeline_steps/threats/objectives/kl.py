"""The Kullback-Leibler divergence from the clean prediction (TRADES)."""

from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Comparing, clean_logits
from pipeline_steps.threats.victim import Victim


class Kl(Comparing):
    """How far the prediction moves away from the one on the clean image."""

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        clean = clean_logits(batch).softmax(dim=1)
        edited = logits.log_softmax(dim=1)
        return functional.kl_div(edited, clean, reduction="none").sum(dim=1)
