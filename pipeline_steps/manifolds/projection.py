"""Latents of images for a generator that has no `encode`, found by optimisation for
each image.

    min over w of  perceptual(g(w), x) + weight * mean |g(w) - x|        (DMAT eq. 7)

by Adam, from the mean latent. The learning rate rises and falls, and fading noise is
added to the latents (docs/methods/generators.md#projection). Images don't depend on
each other.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline_steps.core.device import sent
from pipeline_steps.core.rng import Rng
from pipeline_steps.generators.generator import Generator
from pipeline_steps.manifolds.perceptual import Perceptual
from pipeline_steps.manifolds.spec import Projection

FADING = (0.9, 0.999)  # the decay rates of Adam's moments
EPSILON = 1e-8


class Encoding:
    """Takes the place of a search for generators that encode: a single step."""

    steps = 1

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def aim_at(self, images: Tensor) -> None:
        self.images = images

    def step(self, _iteration: int, _rng: Rng) -> None:
        with torch.no_grad():
            self.latents = self.generator.encode(self.images)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, _state: Mapping[str, Tensor]) -> None:
        pass


class Search:
    """The latents of one batch of images during the search."""

    def __init__(
        self,
        generator: Generator,
        perceptual: Perceptual,
        how: Projection,
        rng: Rng,
    ) -> None:
        self.generator, self.perceptual, self.how = generator, perceptual, how
        self.steps = how.iterations
        mean, spread = generator.latent_statistics(rng, how.mean_of)
        self.mean, self.spread = mean.detach(), float(spread)
        self.images = torch.empty(0)
        self.state: dict[str, Tensor] = {}

    @property
    def latents(self) -> Tensor:
        return self.state["latents"]

    def aim_at(self, images: Tensor) -> None:
        """Sets the images whose latents are searched for."""
        if images is not self.images:
            self.images = images
            with torch.no_grad():
                self.looks = self.perceptual.of(images)

    def step(self, iteration: int, rng: Rng) -> Tensor:
        """Takes a step; the first starts afresh. Returns each image's loss before the
        step."""
        if iteration == 0:
            mean = sent(self.mean, self.images.device)
            latents = mean.expand(len(self.images), -1).clone()
            names = ("latents", "first", "second")
            zero = torch.zeros_like(latents)
            self.state = dict(zip(names, (latents, zero, zero.clone()), strict=True))
        done = iteration / self.steps
        tried = self.latents
        if amount := noise(self.how, done) * self.spread:
            tried = tried + amount * rng.normal(list(tried.shape)).to(tried)
        tried = tried.detach().requires_grad_()
        losses = self.losses(self.generator.decode(tried))
        (gradient,) = torch.autograd.grad(losses.sum(), tried)
        self._move(gradient, iteration + 1, learning_rate(self.how, done))
        return losses.detach()

    def losses(self, projected: Tensor) -> Tensor:
        """How far each decoded image is from its target: DMAT eq. 7."""
        apart = self.perceptual.between(self.perceptual.of(projected), self.looks)
        pixels = (projected - self.images).abs().flatten(1).mean(1)
        return apart + self.how.pixel_weight * pixels

    def _move(self, gradient: Tensor, count: int, rate: float) -> None:
        """Adam, with its moments kept here because they belong to images."""
        for name, value, fading in (
            ("first", gradient, FADING[0]),
            ("second", gradient.square(), FADING[1]),
        ):
            self.state[name] = fading * self.state[name] + (1 - fading) * value
        first = self.state["first"] / (1 - FADING[0] ** count)
        second = self.state["second"] / (1 - FADING[1] ** count)
        self.state["latents"] = self.latents - rate * first / (second.sqrt() + EPSILON)

    def state_dict(self) -> dict[str, Tensor]:
        return self.state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.state = {name: tensor.to(self.mean) for name, tensor in state.items()}


def learning_rate(how: Projection, done: float) -> float:
    """The learning rate after this share of the steps: it rises linearly and falls
    along a cosine."""
    falling = min(1.0, (1 - done) / how.ramp_down) if how.ramp_down else 1.0
    rising = min(1.0, done / how.ramp_up) if how.ramp_up else 1.0
    return how.learning_rate * rising * (0.5 - 0.5 * math.cos(falling * math.pi))


def noise(how: Projection, done: float) -> float:
    """The noise's standard deviation after this share of the steps, relative to that of
    the latents."""
    if done >= how.noise_until:
        return 0.0
    return how.noise * (1 - done / how.noise_until) ** 2
