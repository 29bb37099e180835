"""Entries of generators.yaml: a flow or a GAN, depending on its training."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from pipeline_steps.core.settings import Digest, GeneratorEntry, Settings
from pipeline_steps.generators.spec import FlowTraining, GanTraining
from pipeline_steps.manifolds.spec import Projection


class Inception(Settings):
    """The network whose features are compared for a GAN's Fréchet distance."""

    file: str
    """Where its weights lie, made as docs/reference/generators.md tells."""
    digest: Digest
    """Their checksum. Moving the file reruns nothing."""


def _course(training: Any) -> str:
    """Tells the training of a GAN from that of a flow: only a GAN's names a loss."""
    if isinstance(training, Mapping):
        return "[gan]" if "loss" in training else "[flow]"
    return "[gan]" if isinstance(training, GanTraining) else "[flow]"


class Generator(Settings):
    """A generator and its training."""

    title: str
    """What it is, in words."""
    model: GeneratorEntry
    """Its class and size."""
    training: Annotated[
        Annotated[FlowTraining, Tag("[flow]")] | Annotated[GanTraining, Tag("[gan]")],
        Discriminator(_course),
    ]
    """How it is trained: by likelihood, or against a discriminator."""
    inception: Inception | None = None
    """Inception weights that a GAN's samples are judged with; without them, a
    classifier trained by the step."""
    projection: Projection = Projection()
    """How latents of images are found; a flow encodes them instead."""
    decoded: Literal["clamped", "raw"] = "clamped"
    """`clamped` clips decoded images to [0, 1] and stores data sets of them as bytes;
    `raw` doesn't clip, and stores float32 (as DMAT's code does)."""

    @property
    def use(self) -> dict[str, str]:
        """How its users take its images; its training doesn't depend on it."""
        return {} if self.decoded == "clamped" else {"decoded": self.decoded}

    @property
    def judged_by(self) -> str | None:
        """The checksum of Inception's weights, wherever they lie."""
        return self.inception.digest if self.inception else None
