"""Images with their labels, as a threat edits them and a recipe learns from them."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """Labels are classes, or a distribution over the classes for each image."""

    images: Tensor
    labels: Tensor
    targets: Tensor | None = None
    """The classes that a targeted attack leads to."""
    latents: dict[int, Tensor] = field(default_factory=dict, repr=False)
    answers: dict[int, Tensor] = field(default_factory=dict, repr=False)

    @property
    def classes(self) -> Tensor:
        """One class for each image; of a distribution, the likeliest."""
        return self.labels.argmax(1) if self.labels.dim() > 1 else self.labels

    def latents_of(self, generator: Any) -> Tensor:
        """The images on a generator's manifold; encoded when first asked for."""
        key = id(generator)
        if key not in self.latents:
            self.latents[key] = generator.encode(self.images)
        return self.latents[key]

    def on_manifold(self, generator: Any) -> Tensor:
        """The images as the generator has them; of an exact one, these themselves."""
        return self.images

    def answer_of(self, model: nn.Module) -> Tensor:
        """What a model says of the images as they are; asked once an attack."""
        key = id(model)
        if key not in self.answers:
            with torch.no_grad():
                self.answers[key] = model(self.images)
        return self.answers[key]

    def take(self, rows: Tensor | slice) -> "Batch":
        """Some of the images alone, by their numbers, a mask or a slice."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            targets=None if self.targets is None else self.targets[rows],
            latents={key: latents[rows] for key, latents in self.latents.items()},
            answers={key: answers[rows] for key, answers in self.answers.items()},
        )


def moved(batch: Batch, images: Tensor) -> Batch:
    """The batch with edited images: they lie elsewhere on a manifold, so all that was
    computed from them is computed anew."""
    return replace(batch, images=images, latents={}, answers={})


@dataclass(frozen=True)
class Attacked:
    """What an attack made of a batch."""

    images: Tensor
    used: Tensor
    """How many steps or queries were spent on each image."""
    broken_by: Tensor | None = None
    """Of an attack with several parts: which of them broke the image, -1 for none."""
    parts: tuple[str, ...] = ()
    """The names of these parts."""

    @classmethod
    def untouched(cls, batch: Batch) -> "Attacked":
        used = torch.zeros(len(batch.images), dtype=torch.long)
        return cls(batch.images.clone(), used.to(batch.images.device))

    def put(self, rows: Tensor, images: Tensor, used: Tensor | int) -> None:
        """What became of some of the images, and what it cost on top."""
        self.images[rows] = images
        self.used[rows] += used
