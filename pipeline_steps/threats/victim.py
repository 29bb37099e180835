"""The network under attack: how attacks see it, and how it gives its verdicts."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline_steps.core.device import tf32
from pipeline_steps.threats.frozen import frozen, logits_of


class Inference(ABC):
    """What a defense does to images before it classifies them."""

    @abstractmethod
    def __call__(self, model: nn.Module, images: Tensor) -> Tensor:
        """The images that the static model then sees."""

    @abstractmethod
    def softly(self, model: nn.Module, images: Tensor) -> Tensor:
        """A smooth approximation of it, with a useful gradient."""


class Transformed(nn.Module):
    """A static model behind an inference, which changes the images first.

    Gradients pass the inference as if it changed nothing (BPDA). An attack on this
    model sees the inference in every forward pass; an attack on `static` alone does
    not.
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
        return Transformed(self.static, self.inference, soft=True).train(self.training)

    @property
    def companion(self) -> nn.Module | None:
        return companion_of(self.static)


def companion_of(network: nn.Module) -> nn.Module | None:
    """The discriminator that a network was trained with, if any."""
    companion = getattr(network, "companion", None)
    return companion if isinstance(companion, nn.Module) else None


@dataclass(frozen=True)
class Victim:
    """A network under attack, in two forms of one function.

    Attacks run on `fast`, which may compute in fewer bits. Where `fast` errs, `exact`,
    the network in float32, gives the verdict.
    """

    fast: nn.Module
    exact: nn.Module

    @classmethod
    def of(cls, network: nn.Module) -> "Victim":
        """A network that attacks see just as it is."""
        return cls(network, network)

    def __call__(self, images: Tensor) -> Tensor:
        """The logits that attacks differentiate."""
        logits: Tensor = self.fast(images)
        return logits

    def logits_of(self, images: Tensor) -> Tensor:
        """The same without a graph."""
        return logits_of(self.fast, images)

    def misclassified(self, images: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """For each image whether the network errs, given the fast form's logits for it.

        Images that the fast form gets wrong and the exact one right are not broken.
        """
        wrong = logits.argmax(dim=1) != classes
        if self.exact is self.fast:
            return wrong
        rows = wrong.nonzero().squeeze(1)  # the one place that waits for a GPU
        if len(rows):
            with tf32(False):
                answers = logits_of(self.exact, images[rows])
            sure = answers.argmax(dim=1) != classes[rows]
            wrong[rows] = sure
        return wrong

    def frozen(self) -> AbstractContextManager[None]:
        return frozen(self.fast, self.exact)

    @property
    def companion(self) -> nn.Module | None:
        return companion_of(self.exact)

    def static(self) -> "Victim":
        """The network without its inference."""
        return self._each(lambda n: n.static if isinstance(n, Transformed) else n)

    def softened(self) -> "Victim":
        """The same, with useful gradients through its inference."""
        if not isinstance(self.fast, Transformed):
            return self
        fast = self.fast.softened()
        return Victim(fast, fast if self.exact is self.fast else self.exact)

    def _each(self, form_of: Callable[[nn.Module], nn.Module]) -> "Victim":
        return Victim(form_of(self.fast), form_of(self.exact))
