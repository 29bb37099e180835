"""Residual networks whose blocks normalise before they convolve."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.defenses.architecture import Architecture


class PreactivationNetwork(Architecture):
    """A convolution, stages of residual blocks, and a last batch norm."""

    def __init__(
        self,
        classes: int,
        channels: int,
        stem: int,
        widths: Sequence[int],
        blocks: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
        inside = [stem, *widths]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    Block(inside[i], width, stride=1 if i == 0 else 2),
                    *(Block(width, width, stride=1) for _ in range(blocks - 1)),
                )
                for i, width in enumerate(widths)
            )
        )
        self.normalise = nn.BatchNorm2d(widths[-1])
        self.head = nn.Linear(widths[-1], classes)

    def layers(self) -> list[nn.Module]:
        return [self.stem, *self.stages]

    def forward(self, images: Tensor) -> Tensor:
        features = self.stages(self.stem(images))
        return self.head(functional.relu(self.normalise(features)).mean(dim=(2, 3)))


class Block(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.normalise_first = nn.BatchNorm2d(inside)
        self.first = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.normalise_second = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or inside != outside:
            self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.normalise_first(images))
        if self.shortcut is not None:
            images = self.shortcut(features)
        features = functional.relu(self.normalise_second(self.first(features)))
        return images + self.second(features)
