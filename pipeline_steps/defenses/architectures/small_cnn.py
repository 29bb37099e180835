"""A small convolutional net for toy sizes."""

from torch import Tensor, nn

from pipeline_steps.core.settings import Count
from pipeline_steps.defenses.architecture import Architecture


class SmallCnn(Architecture):
    """Four convolutions and a linear head; trains in seconds on two cores."""

    def __init__(self, classes: Count, channels: Count, width: Count = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *self._convolution(channels, width, stride=1),
            *self._convolution(width, width, stride=2),
            *self._convolution(width, 2 * width, stride=1),
            *self._convolution(2 * width, 2 * width, stride=2),
        )
        self.head = nn.Linear(2 * width, classes)

    @staticmethod
    def _convolution(inside: int, outside: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outside), nn.ReLU()]

    def layers(self) -> list[nn.Module]:
        return [part for part in self.features if isinstance(part, nn.ReLU)]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean(dim=(2, 3)))
