"""PreActResNet-18, as used by fast adversarial training and RLAT on CIFAR."""

from pipeline_steps.core.settings import Count
from pipeline_steps.defenses.preactivation import PreactivationNetwork


class PreactResnet18(PreactivationNetwork):
    """Four stages of two pre-activation blocks, and a batch norm before the head."""

    def __init__(self, classes: Count, channels: Count, width: Count = 64) -> None:
        widths = [width, 2 * width, 4 * width, 8 * width]
        super().__init__(classes, channels, stem=width, widths=widths, blocks=2)
