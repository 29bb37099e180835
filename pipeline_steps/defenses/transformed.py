"""A defense that moves its images before it answers."""

from collections.abc import Callable

from torch import Tensor, nn

Inference = Callable[[nn.Module, Tensor], Tensor]


class Transformed(nn.Module):
    """A static model, asked about what an inference makes of the images.

    Gradients pass the inference as if it changed nothing (BPDA): an attack that is given
    this model sees the inference in every forward pass; one on `static` alone does not.
    """

    def __init__(self, static: nn.Module, inference: Inference) -> None:
        super().__init__()
        self.static, self.inference = static, inference

    def forward(self, images: Tensor) -> Tensor:
        moved = self.inference(self.static, images)
        return self.static(images + (moved - images).detach())

    @property
    def companion(self) -> nn.Module:
        return self.static.companion  # type: ignore[return-value]
