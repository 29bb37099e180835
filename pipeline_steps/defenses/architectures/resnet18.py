"""ResNet-18 in its form for CIFAR: a 3x3 first convolution and no pooling."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.settings import Count
from pipeline_steps.defenses.architecture import Architecture


class Resnet18(Architecture):
    """Four stages of two residual blocks, at full, half, quarter and eighth size."""

    def __init__(self, classes: Count, channels: Count, width: Count = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.normalise = nn.BatchNorm2d(width)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    _Block(widths[i], widths[i + 1], stride=1 if i == 0 else 2),
                    _Block(widths[i + 1], widths[i + 1], stride=1),
                )
                for i in range(4)
            )
        )
        self.head = nn.Linear(8 * width, classes)

    def layers(self) -> list[nn.Module]:
        return [self.stem, *self.stages]

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.normalise(self.stem(images)))
        return self.head(self.stages(features).mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.normalise_first = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.normalise_second = nn.BatchNorm2d(outside)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False),
                nn.BatchNorm2d(outside),
            )

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.normalise_first(self.first(images)))
        features = self.normalise_second(self.second(features))
        return functional.relu(features + self.shortcut(images))
