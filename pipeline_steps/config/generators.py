"""Entries of generators.yaml: a flow or a GAN, as its training tells."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from pipeline_steps.core.settings import Digest, GeneratorEntry, Settings
from pipeline_steps.generators.spec import FlowTraining, GanTraining
from pipeline_steps.manifolds.spec import Projection


class Inception(Settings):
    """The network whose features tell a GAN's Fréchet distance."""

    file: str
    """Where its weights lie, made as docs/reference/generators.md tells."""
    digest: Digest
    """Their checksum; a file that lies elsewhere reruns nothing."""


def _course(training: Any) -> str:
    """Whose training it is: only a GAN has a loss to choose."""
    if isinstance(training, Mapping):
        return "[gan]" if "loss" in training else "[flow]"
    return "[gan]" if isinstance(training, GanTraining) else "[flow]"


class Generator(Settings):
    """A generator and its training."""

    title: str
    """What it is, in words."""
    model: GeneratorEntry
    """Its family and size."""
    training: Annotated[
        Annotated[FlowTraining, Tag("[flow]")] | Annotated[GanTraining, Tag("[gan]")],
        Discriminator(_course),
    ]
    """The course of its training: by likelihood, or against a discriminator."""
    inception: Inception | None = None
    """What judges a GAN's images; without it, the training's own classifier does."""
    projection: Projection = Projection()
    """How latents of images are sought; a flow encodes them instead."""
    decoded: Literal["clamped", "raw"] = "clamped"
    """How the images that a GAN decodes are taken: cut to [0, 1], and data sets of them
    stored as bytes; or `raw`, as they are, and stored as float32 (as DMAT's code does)."""

    @property
    def use(self) -> dict[str, str]:
        """How those that use it take its images, of which its training knows nothing."""
        return {} if self.decoded == "clamped" else {"decoded": self.decoded}

    @property
    def judged_by(self) -> str | None:
        """The checksum of Inception's weights, wherever they lie."""
        return self.inception.digest if self.inception else None
