"""torchvision's ResNet-50, untrained (DMAT and IJSAT on OM-ImageNet)."""

from torch import Tensor, nn

from pipeline_steps.core.settings import Count
from pipeline_steps.core.torchvision_ops import KEPT_ALIVE as KEPT_ALIVE
from pipeline_steps.defenses.architecture import Architecture

# isort: split
from torchvision.models.resnet import Bottleneck, ResNet


class Resnet50(Architecture):
    """Four stages of 3, 4, 6 and 3 bottlenecks behind a pooled 7x7 convolution."""

    def __init__(self, classes: Count, channels: Count, width: Count = 64) -> None:
        super().__init__()
        self.network = ResNet(
            Bottleneck, [3, 4, 6, 3], num_classes=classes, width_per_group=width
        )
        if channels != 3:
            self.network.conv1 = nn.Conv2d(channels, 64, 7, 2, padding=3, bias=False)

    def layers(self) -> list[nn.Module]:
        stages = [getattr(self.network, f"layer{stage}") for stage in (1, 2, 3, 4)]
        return [self.network.conv1, *stages]

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)
