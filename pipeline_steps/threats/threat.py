"""Attacks, and threats: attacks with all their settings, ready to run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.victim import Victim


class Attack(ABC):
    """Edits the images of a batch so that a network errs on them."""

    sees_inference = False
    """Whether it runs on all that a defense does before it answers."""
    keeps_batches = False
    """Whether every pass has all images of the batch, as CUDA graphs need it."""

    @abstractmethod
    def __call__(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        """The edited images, and the steps or queries that they cost."""


@dataclass(frozen=True)
class Threat:
    """An attack with the name that the config gives it, ready to run."""

    attack: Attack

    @property
    def sees_inference(self) -> bool:
        return self.attack.sees_inference

    def __call__(self, network: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        """The edited images, for any network used as it is."""
        return self.attack(Victim.of(network), batch, rng).images

    def against(self, victim: Victim, batch: Batch, rng: Rng) -> Attacked:
        """The attack as defenses are judged: on the static network, unless it sees the
        inference."""
        seen = victim if self.sees_inference else victim.static()
        return self.attack(seen, batch, rng)
