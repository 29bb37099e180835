"""What every generator can do, and how a trained one is loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.generators.spec import generators_in

# What an entry says of a generator's use, not of its making.
OF_USE = ("name", "decoded")


class Generator(Protocol):
    """Images from latents; latents are one vector an image."""

    exact: bool
    """Whether every image has latents that decode to it; else images are projected."""

    @property
    def dimensions(self) -> int:
        """The length of the vector that an image is edited and projected in."""
        ...

    def decode(self, latents: Tensor) -> Tensor: ...

    def sample(self, count: int, rng: Rng, temperature: float = 0.7) -> Tensor: ...


class ExactGenerator(Generator, Protocol):
    """A flow: encoding is the inverse of decoding."""

    def encode(self, images: Tensor) -> Tensor: ...


class ApproximateGenerator(Generator, Protocol):
    """A GAN: the latents of an image are searched for."""

    def latent_statistics(self, rng: Rng, count: int) -> tuple[Tensor, float]:
        """Where the search starts, and the scale of the noise on its way."""
        ...


def is_exact(generator: Any) -> bool:
    """Whether `encode` inverts `decode`; else latents of images are found by projection."""
    return bool(getattr(generator, "exact", True))


def is_raw(generator: Any) -> bool:
    """Whether what it decodes is taken as it is, in [0, 1] or not."""
    return bool(getattr(generator, "raw", False))


def build_generator(entry: Mapping[str, Any]) -> Any:
    """An untrained generator from its entry in a spec."""
    generator = make("generator", {k: v for k, v in entry.items() if k not in OF_USE})
    generator.raw = entry.get("decoded") == "raw"
    return generator


def load_generator(entry: Mapping[str, Any], weights: Path) -> Any:
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
    spec: Mapping[str, Any], weights: Sequence[Path], device: Any
) -> dict[str, Any]:
    """Every generator that a spec names, from files in the order of their names."""
    entries = generators_in(spec)
    return {
        name: load_generator(entry, path).to(device)
        for (name, entry), path in zip(entries.items(), weights, strict=True)
    }
