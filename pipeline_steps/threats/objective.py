"""The interface of objectives: a number for each image, which an attack raises."""

from abc import ABC, abstractmethod

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.victim import Victim


class Objective(ABC):
    """What an attack raises for each image, computed from the network's output on the
    edit."""

    @property
    def compares(self) -> bool:
        """Whether it needs `batch.clean_logits`, which costs an attack one more
        pass."""
        return False

    def aim(self, batch: Batch, victim: Victim, rng: Rng) -> Tensor | None:
        """The target class of each image, if the objective is targeted."""
        return None

    @abstractmethod
    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        """The gain of each image."""


class Comparing(Objective, ABC):
    """An objective that compares with the logits of the unedited image."""

    @property
    def compares(self) -> bool:
        return True


def clean_logits(batch: Batch) -> Tensor:
    """The network's logits on the unedited images."""
    if batch.clean_logits is None:
        raise ValueError("this objective needs clean logits, and the batch has none")
    return batch.clean_logits
