"""Inference with manifold transformation (ATLD's IMT)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Amount, Share
from pipeline_steps.threats.victim import Inference, companion_of


@dataclass(frozen=True)
class ManifoldTransformation(Inference):
    """Moves each image one step in the direction that the discriminator finds more
    natural (eq. 8).

    The paper says both that the step is smaller where the discriminator is below a
    threshold, and that it is halved inside a range; the authors' code does the latter.
    The ball is around the image that arrives, attacked or not, so an attacked image may
    end two budgets away from the clean one
    (docs/methods/atld.md#inference-with-manifold-transformation). Where the step is
    halved, the code for SVHN halves the ball too, which matters only if the step is
    larger than the ball.
    """

    epsilon: Amount
    """How far an image may be moved, L∞."""
    step_size: Amount
    """The step: the whole budget (4 · 2/255), or four budgets where the code attacks
    with FGSM."""
    halved: list[Share] | None = None
    """The range of the discriminator's outputs within which the step is halved
    (ATLD+)."""
    halves_ball: bool = False
    """Whether the ball is halved with the step, as in the code for SVHN."""

    def __post_init__(self) -> None:
        if self.halved is not None and len(self.halved) != 2:
            raise PipelineError(
                "`halved` must be the two ends of a range, such as [0.3, 0.7]; correct it "
                "in workflow/config/defenses.yaml"
            )

    def __call__(self, model: nn.Module, images: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            natural, gradient = self._slope(model, leaf)
        return self._moved(images.detach(), natural, gradient.sign())

    def softly(self, model: nn.Module, images: Tensor) -> Tensor:
        """The same step with tanh in place of the sign, scaled by the image's mean
        slope."""
        natural, gradient = self._slope(model, images, differentiable=True)
        slopes = gradient.detach().abs().mean(dim=(1, 2, 3), keepdim=True)
        direction = torch.tanh(gradient / slopes.clamp_min(1e-30))
        return self._moved(images, natural, direction)

    def _slope(
        self, model: nn.Module, images: Tensor, differentiable: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The discriminator's logit for natural, and the direction in which it
        falls."""
        companion = companion_of(model)
        if companion is None:
            raise PipelineError(
                "manifold_transformation needs a discriminator, and this model has none as "
                "its `companion`; see docs/tutorials/your-own-model.md"
            )
        # A view, since torch's counter of operations can't follow the leaf itself.
        natural: Tensor = companion(model(images.view_as(images)))[:, 0]
        loss = functional.softplus(-natural).sum()  # BCE(D(f(x)), 1)
        (gradient,) = torch.autograd.grad(loss, images, create_graph=differentiable)
        return natural.detach(), gradient

    def _moved(self, images: Tensor, natural: Tensor, direction: Tensor) -> Tensor:
        step, ball = self.step_size * direction, direction.new_tensor(self.epsilon)
        if self.halved is not None:
            low, high = self.halved
            verdict = natural.sigmoid()
            unsure = ((verdict > low) & (verdict < high))[:, None, None, None]
            step = torch.where(unsure, step / 2, step)
            if self.halves_ball:
                ball = torch.where(unsure, self.epsilon / 2, self.epsilon)
        return (images - step.clamp(-ball, ball)).clamp(0, 1)
