"""Adversarial training with the latent distribution: classifier against discriminator."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core import workers
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Count, NotNegative, Positive, Share
from pipeline_steps.defenses.companion import Companion, trained_companion
from pipeline_steps.defenses.recipe import CompanionRecipe
from pipeline_steps.defenses.smoothing import smoothed
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import frozen, logits_of
from pipeline_steps.threats.threat import Threat


class Atld(CompanionRecipe):
    """Attacks images by raising a discriminator's loss on their logits (ATLD eq. 7).

    Paper and authors' code differ in what keeps attacked logits near natural ones: in the
    paper the classifier minimises the discriminator's L_d too (`discriminator`); in the
    code it never sees it, and a squared distance to the clean logits, on the scale of the
    cross-entropy's gradient, stands in its place (`logits`). See
    docs/methods/atld.md#one-iteration.

    The code never puts the discriminator into eval mode, so attacks use the batch norm
    statistics of their own batch (`batch`); the paper doesn't say (`running` is eval
    mode). Passes follow the code's order, because IMT uses the running statistics.
    """

    def __init__(
        self,
        threat: Threat,
        classes: Count,
        smoothing: Share = 0.5,
        held_by: Literal["logits", "discriminator"] = "logits",
        share: NotNegative = 0.5,
        companion_steps: Count = 2,
        companion_rate: Positive = 1e-3,
        companion_mode: Literal["batch", "running"] = "batch",
    ) -> None:
        self.threat, self.classes, self.smoothing = threat, classes, smoothing
        self.held_by, self.share = held_by, share
        self.companion_steps, self.companion_rate = companion_steps, companion_rate
        self.companion_mode = companion_mode

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        companion = discriminator_of(model)
        with frozen(model):
            natural = logits_of(model, batch.images)
        with companion.by_batch(self.companion_mode == "batch"):
            if companion.never_in_eval:
                logits_of(companion, natural)  # only updates its running statistics
            attacked = self.threat(model, batch, rng).detach().requires_grad_()
            return self._of_attacked(model, batch, attacked, natural)

    def _of_attacked(
        self, model: nn.Module, batch: Batch, attacked: Tensor, natural: Tensor
    ) -> Tensor:
        """The loss on attacked images, given the logits of the natural ones."""
        labels = smoothed(batch.labels, self.classes, self.smoothing)
        # A view, since torch's counter of operations can't follow the leaf itself.
        logits = model(attacked.view_as(attacked))
        loss = functional.cross_entropy(logits, labels)  # L_f
        companion = discriminator_of(model)
        companion.show(natural, logits, labels)
        if self.held_by == "discriminator":
            with frozen(companion):
                verdict = companion(model(batch.images)), companion(logits)
            return loss - manifold_loss(*verdict)  # eq. 7, where L_d is its negative
        distance = functional.mse_loss(logits, natural)
        scale = _steepest(loss, attacked) / _steepest(distance, attacked)
        return loss + self.share * scale * distance

    def companion_loss(
        self, companion: nn.Module, natural: Tensor, attacked: Tensor, labels: Tensor
    ) -> Tensor:
        of_attacked, of_natural = companion(attacked), companion(natural)
        classes = [
            functional.cross_entropy(verdict[:, 1:], labels)
            for verdict in (of_natural, of_attacked)
        ]
        return (
            manifold_loss(of_natural, of_attacked) + classes[0] + classes[1]
        )  # L_d^0 and L_d^1:C


def discriminator_of(model: nn.Module) -> Companion:
    companion = trained_companion(model)
    if companion is None:
        raise PipelineError(
            "the recipe 'atld' needs a discriminator; set `companion` of its defense in "
            "workflow/config/defenses.yaml"
        )
    return companion


def manifold_loss(natural: Tensor, attacked: Tensor) -> Tensor:
    """The discriminator's error at telling natural (1) from attacked (0) logits.

    The paper has the two labels the other way round, and log D for log(1 - D).
    """
    as_natural = functional.softplus(-natural[:, 0])
    return (as_natural + functional.softplus(attacked[:, 0])).mean()


def _steepest(loss: Tensor, images: Tensor) -> Tensor:
    """The largest entry of a loss's gradient; signed, as in the authors' code."""
    (gradient,) = torch.autograd.grad(loss, images, retain_graph=True)
    largest = gradient.max()
    if workers.count() == 1:
        return largest
    return largest.new_tensor(workers.largest(float(largest)))
