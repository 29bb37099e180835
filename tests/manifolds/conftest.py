"""A small generator that can't encode, and a network that tells images apart."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.rng import rng
from pipeline_steps.manifolds.perceptual import Perceptual

SIZE, DIMENSIONS = 8, 12


class ToyGan(nn.Module):
    """Smooth images from a short vector; its weights are drawn, not learned."""

    exact, raw, dimensions, name = False, False, DIMENSIONS, "toy"

    def __init__(self) -> None:
        super().__init__()
        draw = rng(0, "toy gan")
        self.first = nn.Parameter(draw.normal([DIMENSIONS, 48]) / DIMENSIONS**0.5)
        self.second = nn.Parameter(draw.normal([3, 3, 3, 3]) / 5)
        self.requires_grad_(False)

    def decode(self, latents: Tensor) -> Tensor:
        coarse = (latents @ self.first).unflatten(1, (3, 4, 4))
        large = functional.interpolate(coarse, scale_factor=2, mode="bilinear")
        return functional.conv2d(large, self.second, padding=1).sigmoid()

    def latent_statistics(self, rng, count: int) -> tuple[Tensor, float]:
        return torch.zeros(DIMENSIONS), 1.0

    def sample(self, count: int, rng, temperature: float = 1.0) -> Tensor:
        drawn = rng.normal([count, DIMENSIONS]).to(self.first)
        return self.decode(temperature * drawn)


@pytest.fixture(scope="session")
def toy_gan() -> ToyGan:
    return ToyGan()


@pytest.fixture(scope="session")
def perceptual() -> Perceptual:
    """Features of two layers with drawn weights."""
    one, two = (
        rng(0, name).normal([8, c, 3, 3]) / 4 for name, c in (("a", 3), ("b", 8))
    )

    def features(images: Tensor) -> list[Tensor]:
        a, b = (weights.to(images.device) for weights in (one, two))
        first = functional.conv2d(images, a, padding=1).relu()
        return [first, functional.conv2d(first, b, stride=2, padding=1).relu()]

    return Perceptual(features)
