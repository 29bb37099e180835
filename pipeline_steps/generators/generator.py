"""What every generator can do, and how a trained one is loaded."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import generators_in

# What an entry says of a generator's use, not of its making.
OF_USE = ("name", "decoded")


class Generator(nn.Module, ABC):
    """Images from latents; latents are one vector an image."""

    exact: ClassVar[bool]
    """Whether every image has latents that decode to it; else images are projected."""

    name: str = ""
    """What the config calls it; latents of a batch are kept under it."""

    raw: bool = False
    """Whether what it decodes is taken as it is, in [0, 1] or not."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """The length of the vector that an image is edited and projected in."""

    @property
    def level_slices(self) -> list[slice]:
        """Where each level's latents stand in the vector, if it has levels."""
        return []

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """The images of latents."""

    def encode(self, images: Tensor) -> Tensor:
        """The latents of images, the inverse of `decode`; of an exact generator alone."""
        raise PipelineError(f"{type(self).__name__} can't encode images; project them")

    def latent_statistics(self, rng: Rng, count: int) -> tuple[Tensor, float]:
        """Where a search for latents starts, and the scale of the noise on its way."""
        raise PipelineError(
            f"{type(self).__name__} encodes images, so it needs no search for latents"
        )

    @abstractmethod
    def sample(self, count: int, rng: Rng, temperature: float = 0.7) -> Tensor:
        """New images."""


class ExactGenerator(Generator, ABC):
    """A flow: encoding is the inverse of decoding."""

    exact = True

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """The latents of images, the inverse of `decode`."""

    @abstractmethod
    def draw_weights(self, rng: Rng) -> None:
        """Fresh weights."""

    @abstractmethod
    def initialise(self, images: Tensor) -> None:
        """Sets what isn't learned from a first batch."""

    @abstractmethod
    def dequantised(self, images: Tensor, noise: Tensor) -> Tensor:
        """Images spread over their pixels' cells by noise in [0, 1)."""

    @abstractmethod
    def bits_per_dimension(self, images: Tensor, noise: Tensor) -> Tensor:
        """The code length of each image, dequantised with noise in [0, 1)."""


class Critic(nn.Module, ABC):
    """The network that a GAN trains against: its output is above zero where images look
    real."""

    @abstractmethod
    def draw_weights(self, rng: Rng) -> None:
        """Fresh weights."""

    @abstractmethod
    def forward(self, images: Tensor, growth: Growth) -> Tensor:
        """A judgement for each image, at a stage of growth."""


class ApproximateGenerator(Generator, ABC):
    """A GAN: the latents of an image are searched for."""

    exact = False

    @abstractmethod
    def draw_weights(self, rng: Rng) -> None:
        """Fresh weights."""

    @abstractmethod
    def discriminator(self) -> Critic:
        """The network that this generator learns against."""

    @abstractmethod
    def imagine(
        self, count: int, rng: Rng, growth: Growth, mixing: float = 0.0
    ) -> Tensor:
        """Generated images for training."""

    @abstractmethod
    def latent_statistics(self, rng: Rng, count: int) -> tuple[Tensor, float]:
        """Where the search starts, and the scale of its noise."""

    @abstractmethod
    def settle(self, rng: Rng) -> None:
        """Runs once, after training."""


def build_generator(entry: Mapping[str, Any]) -> Generator:
    """An untrained generator from its entry in a spec."""
    settings = {key: value for key, value in entry.items() if key not in OF_USE}
    generator: Generator = make("generator", settings)
    generator.name = entry.get("name", "")
    generator.raw = entry.get("decoded") == "raw"
    return generator


def build_flow(entry: Mapping[str, Any]) -> ExactGenerator:
    generator = build_generator(entry)
    if not isinstance(generator, ExactGenerator):
        raise PipelineError(f"a {entry['generator']} is not a flow; train it as a GAN")
    return generator


def build_gan(entry: Mapping[str, Any]) -> ApproximateGenerator:
    generator = build_generator(entry)
    if not isinstance(generator, ApproximateGenerator):
        raise PipelineError(f"a {entry['generator']} is not a GAN; train it as a flow")
    return generator


def load_generator(entry: Mapping[str, Any], weights: Path) -> Generator:
    """A trained generator, frozen and in eval mode."""
    generator = build_generator(entry)
    try:
        generator.load_state_dict(read_tensors(weights))
    except RuntimeError:
        raise PipelineError(
            f"{weights} holds the weights of another generator than the config "
            "describes; build or pull it again"
        ) from None
    return generator.eval().requires_grad_(False)


def load_generators(
    spec: Mapping[str, Any], weights: Sequence[Path], device: torch.device
) -> dict[str, Generator]:
    """Every generator that a spec names, from files in the order of their names."""
    entries = generators_in(spec)
    return {
        name: load_generator(entry, path).to(device)
        for (name, entry), path in zip(entries.items(), weights, strict=True)
    }
