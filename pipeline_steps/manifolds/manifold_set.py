"""Latents of a data set's images, found beforehand, for generators that can't encode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.device import sent
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.generators.generator import Generator


@dataclass(frozen=True)
class Projected:
    """The latents of all images by generator, a row for each image; they stay on
    disk."""

    latents: Mapping[str, np.ndarray] = field(default_factory=dict)
    raw: bool = False
    """Whether a generator's images are taken as they are, in [0, 1] or not."""

    def of(self, rows: Tensor, device: torch.device) -> dict[str, Tensor]:
        """The latents of some images on the device, as a batch holds them."""
        return {
            generator: sent(torch.from_numpy(latents[rows.numpy()]), device)
            for generator, latents in self.latents.items()
        }


NOTHING = Projected()


def load_projected(
    generators: Mapping[str, Generator], paths: Sequence[Path], images: int
) -> Projected:
    """Latents from files in the order of the names of the approximate generators."""
    latents_by_name = {}
    approximate = {n: g for n, g in generators.items() if not g.exact}
    for (name, generator), path in zip(approximate.items(), paths, strict=True):
        latents = read_array(path)
        if len(latents) < images or latents.shape[1:] != (generator.dimensions,):
            raise PipelineError(
                f"{path} holds latents of shape {list(latents.shape)}, not one of "
                f"{generator.dimensions} numbers for each of {images} images by {name}; "
                "delete it and build it again"
            )
        latents_by_name[generator.name] = latents
    raw = any(generator.raw for generator in generators.values())
    return Projected(latents_by_name, raw)
