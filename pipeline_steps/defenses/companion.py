"""A network that is trained together with a defense: ATLD's discriminator of logits."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.threats.victim import companion_of


class Companion(nn.Module):
    """Sees logits as an image of one pixel with one channel for each class
    (docs/methods/atld.md#setup).

    Its first output says natural (above 0) or attacked; the others are the classes.
    It is a part of its model, as `model.companion`, and so of the model's weights.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.lesson: tuple[Tensor, ...] = ()
        self.never_in_eval = False

    def forward(self, logits: Tensor) -> Tensor:
        return self.trunk(logits[:, :, None, None])

    def train(self, mode: bool = True) -> "Companion":
        return super().train(mode or self.never_in_eval)

    @contextmanager
    def by_batch(self, wanted: bool) -> Iterator[None]:
        """Inside the `with` block, if requested, batch norm uses each batch's own statistics.

        Attacks put the model into eval mode; the companion then stays in training mode,
        and its running statistics follow what it sees.
        """
        if not wanted:
            yield
            return
        mode = self.training
        self.never_in_eval = True
        self.train()
        try:
            yield
        finally:
            self.never_in_eval = False
            self.train(mode)

    def show(self, *lesson: Tensor) -> None:
        """Sets the logits that it learns from in its own part of the step."""
        self.lesson = tuple(tensor.detach() for tensor in lesson)


def trained_companion(model: nn.Module) -> Companion | None:
    """The network that is trained together with the model, if any."""
    companion = companion_of(model)
    if companion is None or isinstance(companion, Companion):
        return companion
    raise PipelineError(
        f"the companion of {type(model).__name__} is a {type(companion).__name__}, "
        "which no recipe can train with it"
    )


def own_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The model's own parameters: all but its companion's."""
    named = model.named_parameters()
    return [tensor for name, tensor in named if not name.startswith("companion.")]
