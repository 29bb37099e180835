"""Cross-entropy to the model's own prediction, so that no label leaks."""

from torch import Tensor
from torch.nn import functional

from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Comparing, clean_logits
from pipeline_steps.threats.victim import Victim


class Prediction(Comparing):
    """The cross-entropy to the class predicted for the clean image (Adversarial-LA)."""

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        predicted = clean_logits(batch).argmax(dim=1)
        return functional.cross_entropy(logits, predicted, reduction="none")
