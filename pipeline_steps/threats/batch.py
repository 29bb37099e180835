"""Images with their labels, as a threat edits them and a recipe learns from them."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Labels are classes, or a distribution over the classes for each image."""

    images: Tensor
    labels: Tensor
    latents: dict[int, Tensor] = field(default_factory=dict, repr=False)

    def latents_of(self, generator: Any) -> Tensor:
        """The images on a generator's manifold; encoded when first asked for."""
        key = id(generator)
        if key not in self.latents:
            self.latents[key] = generator.encode(self.images)
        return self.latents[key]

    def rows(self, rows: slice) -> "Batch":
        """A part of the batch."""
        latents = {key: whole[rows] for key, whole in self.latents.items()}
        return Batch(self.images[rows], self.labels[rows], latents)
