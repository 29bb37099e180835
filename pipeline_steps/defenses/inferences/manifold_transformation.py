"""Inference with manifold transformation (ATLD's IMT)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Amount, Share


@dataclass(frozen=True)
class ManifoldTransformation:
    """One step of each image to where the discriminator finds it more natural (eq. 8).

    The paper says both that the step is smaller where the discriminator is below a
    threshold, and that it is halved inside a range; the authors' code does the latter.
    The ball is around the image as it comes, attacked or not, so that an attacked image
    may end two budgets away from the clean one (METHODS 4.3).
    """

    epsilon: Amount
    """How far an image may be moved, L∞."""
    step_size: Amount
    """The step: the whole budget (4 · 2/255); where the code attacks by FGSM, four of it."""
    halved: list[Share] | None = None
    """Between which two verdicts of the discriminator the step is halved (ATLD+)."""

    def __post_init__(self) -> None:
        if self.halved is not None and len(self.halved) != 2:
            raise PipelineError(
                "`halved` is the two ends of a range, such as [0.3, 0.7]; correct it "
                "in workflow/config/defenses.yaml"
            )

    def __call__(self, model: nn.Module, images: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            # A view, since torch's counter of operations can't follow the leaf itself.
            logits = model(leaf.view_as(leaf))
            natural = model.companion(logits)[:, 0]  # type: ignore[operator]
            loss = functional.softplus(-natural).sum()  # BCE(D(f(x)), 1)
            (gradient,) = torch.autograd.grad(loss, leaf)
        step = self.step_size * gradient.sign()
        if self.halved is not None:
            low, high = self.halved
            verdict = natural.detach().sigmoid()
            unsure = (verdict > low) & (verdict < high)
            step = torch.where(unsure[:, None, None, None], step / 2, step)
        return (images.detach() - step.clamp(-self.epsilon, self.epsilon)).clamp(0, 1)
