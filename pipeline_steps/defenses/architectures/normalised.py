"""A network for papers that train on images outside [0, 1]."""

from torch import Tensor, nn

from pipeline_steps.core.settings import Positive, Share
from pipeline_steps.defenses.architecture import Architecture


class Normalised(Architecture):
    """A network that sees (x - mean) / spread; by 0.5 and 0.5, images in [-1, 1]."""

    def __init__(
        self, network: Architecture, mean: Share = 0.5, spread: Positive = 0.5
    ) -> None:
        super().__init__()
        self.network = network
        self.mean, self.spread = mean, spread

    def layers(self) -> list[nn.Module]:
        return self.network.layers()

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - self.mean) / self.spread)
