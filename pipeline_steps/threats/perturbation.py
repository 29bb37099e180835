"""The interface of edits: parameters inside a budget, and the image that they give."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Batch


class Perturbation(ABC):
    """A differentiable family of edits with a budget.

    The first dimension of each parameter is the batch, because broken images may leave.
    """

    @property
    def size(self) -> int:
        """The number of tensors that hold its parameters."""
        return 1

    @property
    def passes(self) -> int:
        """How many passes a step takes, each with a fresh gradient."""
        return 1

    @property
    def identity(self) -> bool:
        """Whether the family holds the unedited image."""
        return True

    def prepare(self, batch: Batch) -> Batch:
        """The batch, with everything computed that an ascent needs at every step."""
        return batch

    @abstractmethod
    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        """The parameters from which an ascent begins."""

    @abstractmethod
    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        """The edited images."""

    @abstractmethod
    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        """The parameters after the pass of this number, counted from 0."""

    def flow(self, parameters: Sequence[Tensor]) -> Tensor | None:
        """For an edit that moves pixels: each pixel's source, as offsets right and
        down."""
        return None
