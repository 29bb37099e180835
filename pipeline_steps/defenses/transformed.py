"""A defense that moves its images before it answers."""

from typing import Protocol

import torch
from torch import Tensor, nn


class Inference(Protocol):
    """What a defense does to images before it answers."""

    def __call__(self, model: nn.Module, images: Tensor) -> Tensor: ...

    def softly(self, model: nn.Module, images: Tensor) -> Tensor:
        """About the same, by a function of the images that has a useful gradient."""
        ...


class Transformed(nn.Module):
    """A static model, asked about what an inference makes of the images.

    Gradients pass the inference as if it changed nothing (BPDA): an attack that is given
    this model sees the inference in every forward pass; one on `static` alone does not.
    """

    def __init__(
        self, static: nn.Module, inference: Inference, soft: bool = False
    ) -> None:
        super().__init__()
        self.static, self.inference, self.soft = static, inference, soft

    def forward(self, images: Tensor) -> Tensor:
        moved = self.inference(self.static, images)
        passes = images
        if self.soft and torch.is_grad_enabled() and images.requires_grad:
            passes = self.inference.softly(self.static, images)
        return self.static(passes + (moved - passes).detach())

    def softened(self) -> "Transformed":
        """The same model, whose gradients pass a smooth form of its inference."""
        model = Transformed(self.static, self.inference, soft=True)
        if hasattr(self, "exact"):
            model.exact = self.exact
        return model.train(self.training)

    @property
    def companion(self) -> nn.Module:
        return self.static.companion  # type: ignore[return-value]
