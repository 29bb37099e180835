"""The base class of the pipeline's networks."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Architecture(nn.Module, ABC):
    """A network from images in [0, 1] to logits, which names its layers."""

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The modules between which features pass, from the image on."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
