"""Wide residual networks (WRN-28-10, WRN-34-10, and WRN-28-5 of ATLD's discriminator)."""

from torch import nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Count
from pipeline_steps.defenses.preactivation import PreactivationNetwork


class WideResnet(PreactivationNetwork):
    """Three stages of pre-activation blocks, wider than the first residual networks by
    a factor."""

    def __init__(
        self, classes: Count, channels: Count, depth: Count = 28, width: Count = 10
    ) -> None:
        blocks, rest = divmod(depth - 4, 6)
        if rest or not blocks:
            raise PipelineError(
                f"a wide_resnet of depth {depth} does not exist: set `depth` in "
                "workflow/config/defenses.yaml to 6n + 4, such as 28 or 34"
            )
        widths = [16 * width, 32 * width, 64 * width]
        super().__init__(classes, channels, stem=16, widths=widths, blocks=blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.zeros_(self.head.bias)
