"""Edits of pixels: an addition to an image, inside a ball around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Norm, Radius
from pipeline_steps.threats.balls import Ball, frank_wolfe, vertex
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbation import Perturbation


@dataclass(frozen=True, kw_only=True)
class Pixel(Perturbation):
    """An addition to the image, bounded in L∞, L2 or L1."""

    norm: Norm = "linf"
    epsilon: Radius
    """The radius, on the images' scale of 0 to 1, over all values of an image."""
    step_size: Radius
    start_at: Literal[
        "random", "zero", "nearby", "box", "unclipped", "nearby-unclipped"
    ] = "random"
    """`nearby` is 0.001·N(0, 1); `box` any image, of which the ball's nearest point is taken,
    as advertorch starts in L2. The `unclipped` starts, `random` and `nearby`, may lie
    outside [0, 1], and so the first gradient is taken there; steps come back. So start the
    released codes of Feature Scattering, ATLD and Bilateral, and of TRADES and MART."""
    boxed: bool = True
    """Whether the addition itself is cut so that the image stays in [0, 1]. Off where
    another edit moves the image first: only the outcome is cut then."""
    frank_wolfe: bool = False
    """For l1: whether a step goes towards the point of ball and box that lies furthest
    uphill (docs/methods/attacks.md#l1), and no step size counts; else it moves the one
    strongest value of the image."""

    def __post_init__(self) -> None:
        if self.frank_wolfe and self.norm != "l1":
            raise PipelineError(
                f"frank_wolfe is a step for the norm l1, not {self.norm}; remove it from "
                "the edit in threats.yaml"
            )

        if self._unclipped and not self.boxed:
            raise PipelineError(
                f"start_at {self.start_at} is a start outside [0, 1] of an addition that is "
                "boxed at each step; remove `boxed: false` from the edit in threats.yaml"
            )

    @property
    def _unclipped(self) -> bool:
        return self.start_at.endswith("unclipped")

    @property
    def ball(self) -> Ball:
        return Ball(self.norm, self.epsilon)

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        if self.start_at == "zero":
            return [torch.zeros_like(batch.images)]
        if self.start_at.startswith("nearby"):
            drawn = 0.001 * rng.normal(batch.images.shape).to(batch.images)
            addition = self.ball.project(drawn)
        elif self.start_at == "box":
            other = rng.uniform(batch.images.shape).to(batch.images)
            addition = self.ball.project(other - batch.images)
        else:
            addition = self.ball.start(rng, batch.images.shape, batch.images)
        return [addition if self._unclipped else self._boxed(batch, addition)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        edited = batch.images + parameters[0]
        if self._unclipped:
            # Only the start can lie outside [0, 1]: each step clips the addition.
            return edited
        # Clipping passes gradients on, or a saturated pixel could never come back.
        return edited + (edited.clamp(0, 1) - edited).detach()

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        if self.frank_wolfe:
            low, high = -batch.images, 1 - batch.images
            uphill = vertex(gradients[0], low, high, self.epsilon)
            return [frank_wolfe(parameters[0], uphill, iteration)]
        gradient = gradients[0]
        if self.norm == "l1":
            # Otherwise the strongest value would be chosen again even at its bound.
            edited = batch.images + parameters[0]
            gradient = gradient * torch.where(gradient > 0, edited < 1, edited > 0)
        moved = self.ball.step(parameters[0], gradient, self.step_size)
        return [self._boxed(batch, moved)]

    def _boxed(self, batch: Batch, addition: Tensor) -> Tensor:
        if not self.boxed:
            return addition
        return (batch.images + addition).clamp(0, 1) - batch.images
