"""A small network that looks at patches of an image one by one."""

from torch import Tensor, nn

from pipeline_steps.core.settings import Count
from pipeline_steps.defenses.architecture import Architecture


class PatchNet(Architecture):
    """A linear layer for patches, three of 1x1 convolutions, and a linear head."""

    def __init__(
        self, classes: Count, channels: Count, width: Count = 32, patch: Count = 4
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.mixing = nn.Sequential(
            *(
                part
                for _ in range(3)
                for part in (nn.Conv2d(width, width, 1), nn.GELU())
            )
        )
        self.head = nn.Linear(width, classes)

    def layers(self) -> list[nn.Module]:
        return [self.patches, *self.mixing]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.mixing(self.patches(images)).mean(dim=(2, 3)))
