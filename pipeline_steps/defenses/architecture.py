"""What every network of the pipeline's own is."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Architecture(nn.Module, ABC):
    """A network that answers images in [0, 1] with logits, and names its layers."""

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The modules between which features pass, from the image on."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
