"""Edits on a manifold: an addition to an image's latents before they are decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Count, Norm, Radius
from pipeline_steps.generators.generator import Generator
from pipeline_steps.threats.balls import Ball
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbation import Perturbation


@dataclass(frozen=True, kw_only=True)
class Latent(Perturbation):
    """An addition to the latents of a generator, bounded in L∞, L2 or L1."""

    generator: Generator
    norm: Norm = "linf"
    epsilon: Radius
    step_size: Radius
    start_at: Literal["random", "zero"] = "random"
    level: Count | None = None
    """The level of a flow that is edited (IJSAT eq. 14); all levels if none is
    named."""
    boxed: bool = True
    """Whether what is decoded is cut to [0, 1]. Off where another edit follows: the paper
    cuts the outcome once, clip(G(z + λ) + δ) (IJSAT section 3)."""

    @property
    def ball(self) -> Ball:
        return Ball(self.norm, self.epsilon)

    def prepare(self, batch: Batch) -> Batch:
        return batch.encoded(self.generator)

    def start(self, batch: Batch, rng: Rng) -> list[Tensor]:
        latents = batch.latents_of(self.generator)[:, self._edited()]
        if self.start_at == "zero":
            return [torch.zeros_like(latents)]
        return [self.ball.start(rng, latents.shape, latents)]

    def apply(self, batch: Batch, parameters: Sequence[Tensor]) -> Tensor:
        latents, level = batch.latents_of(self.generator), self._edited()
        if self.level is None:
            latents = latents + parameters[0]
        else:
            edited = latents[:, level] + parameters[0]
            before, after = latents[:, : level.start], latents[:, level.stop :]
            latents = torch.cat([before, edited, after], 1)
        decoded = batch.decode(self.generator, latents)
        if not self.boxed or self.generator.raw:
            return decoded
        return decoded + (decoded.clamp(0, 1) - decoded).detach()

    def step(
        self,
        batch: Batch,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        iteration: int,
    ) -> list[Tensor]:
        return [self.ball.step(parameters[0], gradients[0], self.step_size)]

    def _edited(self) -> slice:
        """The position of the edited latents within the vector."""
        if self.level is None:
            return slice(None)
        levels = self.generator.level_slices
        if self.level > len(levels):
            raise PipelineError(
                f"level {self.level} of the edit in threats.yaml does not exist: this "
                f"generator has {len(levels)} levels of latents"
            )
        return levels[self.level - 1]
