"""Images with their labels, which threats edit and recipes learn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.datasets.augmentation import Moves, mixup
from pipeline_steps.generators.generator import Generator


@dataclass(frozen=True)
class Batch:
    """Labels are classes, or a distribution over the classes for each image."""

    images: Tensor
    labels: Tensor
    targets: Tensor | None = None
    """The classes that a targeted attack aims at."""
    projected: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    """Latents for generators that have no exact `encode`, by the generators' names,
    found by projection beforehand."""
    moves: Moves | None = None
    """How the images were augmented: the images generated from latents need the same."""
    latents: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    """Exact latents of the images, if an attack has encoded them already."""
    clean_logits: Tensor | None = field(default=None, repr=False)
    """The attacked network's logits on the unedited images, for objectives that compare."""

    @property
    def classes(self) -> Tensor:
        """One class for each image; of a distribution, the likeliest."""
        return self.labels.argmax(1) if self.labels.dim() > 1 else self.labels

    def latents_of(self, generator: Generator) -> Tensor:
        """The images' latents: encoded, or if the generator can't encode, projected
        before augmentation."""
        if generator.exact:
            known = self.latents.get(generator.name)
            return generator.encode(self.images) if known is None else known
        if generator.name not in self.projected:
            raise PipelineError(
                "an approximate generator needs latents that were found before, but "
                "this batch has none; put them into `projected`"
            )
        return self.projected[generator.name]

    def encoded(self, generator: Generator) -> "Batch":
        """The same batch, with its latents stored so that it need not encode again."""
        if not generator.exact or generator.name in self.latents:
            return self
        encoded = {generator.name: generator.encode(self.images)}
        return replace(self, latents={**self.latents, **encoded})

    def decode(self, generator: Generator, latents: Tensor) -> Tensor:
        """Images of latents, moved as this batch's images were where that came after."""
        images = generator.decode(latents)
        if self.moves is None or generator.exact:
            return images
        return self.moves.apply(images)

    @torch.no_grad()
    def on_manifold(self, generator: Generator) -> Tensor:
        """The images as a generator reproduces them; an exact one gives the images
        themselves."""
        if generator.exact:
            return self.images
        shown = self.decode(generator, self.latents_of(generator))
        return shown if generator.raw else shown.clamp(0, 1)

    def take(self, rows: Tensor | slice) -> "Batch":
        """A subset of the images, by indices, a mask or a slice."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            targets=None if self.targets is None else self.targets[rows],
            projected={name: latents[rows] for name, latents in self.projected.items()},
            moves=None if self.moves is None else self.moves.take(rows),
            latents={name: latents[rows] for name, latents in self.latents.items()},
            clean_logits=(
                None if self.clean_logits is None else self.clean_logits[rows]
            ),
        )


def moved(batch: Batch, images: Tensor) -> Batch:
    """The batch with edited images. They have other exact latents, so everything
    computed from them is dropped. Projected latents stay: they are close enough to
    start from, and projecting again would take longer than any attack."""
    return replace(batch, images=images, latents={}, clean_logits=None)


def mixed(batch: Batch, labels: Tensor, other: Tensor, share: Tensor) -> Batch:
    """Each image mixed with another, by number, and so its label, a distribution.

    Exact latents are then those of the mixture. Projected ones are mixed instead, and
    what they decode to moves as the first image does: a generator that can't encode has
    no other latents to offer (IJSAT Algorithm 1, line 3).
    """
    return Batch(
        images=mixup(batch.images, batch.images[other], share),
        labels=mixup(labels, labels[other], share),
        projected={
            name: mixup(latents, latents[other], share)
            for name, latents in batch.projected.items()
        },
        moves=batch.moves,
    )


@dataclass(frozen=True)
class Attacked:
    """What an attack made of a batch."""

    images: Tensor
    used: Tensor
    """How many steps or queries were spent on each image."""
    broken_by: Tensor | None = None
    """If the attack has several parts: the part that broke the image, -1 for none."""
    parts: tuple[str, ...] = ()
    """The names of these parts."""
    flow: Tensor | None = None
    """For edits that move pixels: where each pixel came from, as offsets right and down."""

    @classmethod
    def untouched(cls, batch: Batch, moves: bool = False) -> "Attacked":
        """The result before any step; `moves` says whether the edit moves pixels."""
        images = batch.images.clone()
        used = torch.zeros(len(images), dtype=torch.long, device=images.device)
        still = images.new_zeros(len(images), 2, *images.shape[2:]) if moves else None
        return cls(images, used, flow=still)

    def put(
        self,
        rows: Tensor,
        images: Tensor,
        used: Tensor | int,
        flow: Tensor | None = None,
    ) -> None:
        """Updates some of the images, and adds what it cost."""
        self.images[rows] = images
        self.used[rows] += used
        if self.flow is not None and flow is not None:
            self.flow[rows] = flow
