"""Random numbers that depend on a name, never on the moment at which they are drawn.

`rng(seed, "train", "epoch", 3)` gives the same numbers in a run that was resumed as in
one that never stopped. `image_rng` gives each image numbers of its own, so that a test
set can be cut into shards anywhere without changing a single start of an attack.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from pipeline_steps.core.device import sent
from pipeline_steps.core.seeds import derive


class Rng(Protocol):
    """The interface of random streams; the first dimension of what they draw is the
    batch."""

    def uniform(self, shape: Sequence[int]) -> Tensor: ...

    def normal(self, shape: Sequence[int]) -> Tensor: ...

    def take(self, rows: Tensor) -> "Rng":
        """The stream of some images of the batch, by their numbers."""
        ...


class BatchRng:
    """One stream of numbers for a whole batch."""

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        return torch.rand(
            tuple(shape), generator=self.generator, device=self.generator.device
        )

    def normal(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(
            tuple(shape), generator=self.generator, device=self.generator.device
        )

    def take(self, rows: Tensor) -> "BatchRng":
        return self

    def integers(self, low: int, high: int, shape: Sequence[int]) -> Tensor:
        return torch.randint(
            low,
            high,
            tuple(shape),
            generator=self.generator,
            device=self.generator.device,
        )

    def permutation(self, length: int) -> Tensor:
        return torch.randperm(
            length, generator=self.generator, device=self.generator.device
        )

    def beta(self, a: float, b: float, shape: Sequence[int] = (1,)) -> Tensor:
        """Beta(a, b) for a, b up to 1, by Jöhnk's method in logarithms.

        Each entry takes the first accepted of 64 proposals, of which at least half are:
        a fixed number of draws, so that what is drawn later depends on no value.
        """
        if max(a, b) > 1:
            raise ValueError(f"Beta({a}, {b}) is outside what this method draws")
        proposals = 64
        u = self.uniform([proposals, *shape]).double().log() / a
        v = self.uniform([proposals, *shape]).double().log() / b
        total = torch.logaddexp(u, v)
        accepted = total <= 0
        first = accepted.to(torch.uint8).argmax(dim=0, keepdim=True)
        return (u - total).gather(0, first).squeeze(0).exp().float()


class ImageRng:
    """A stream of numbers for each image of a batch."""

    def __init__(self, seeds: Iterable[int], device: torch.device | str) -> None:
        self.streams = [BatchRng(seed) for seed in seeds]
        self.device = torch.device(device)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        return self._draw("uniform", shape)

    def normal(self, shape: Sequence[int]) -> Tensor:
        return self._draw("normal", shape)

    def take(self, rows: Tensor) -> "ImageRng":
        """The same streams, so these images don't draw the same numbers again."""
        some = ImageRng([], self.device)
        some.streams = [self.streams[row] for row in rows.tolist()]
        return some

    def _draw(self, kind: str, shape: Sequence[int]) -> Tensor:
        if shape[0] != len(self.streams):
            raise ValueError(f"{len(self.streams)} images cannot fill {tuple(shape)}")
        rows = [getattr(stream, kind)(shape[1:]) for stream in self.streams]
        whole = torch.stack(rows) if rows else torch.empty(tuple(shape))
        return sent(whole, self.device)


class PartRng:
    """A part of a batch: its rows of what is drawn for the whole batch."""

    def __init__(self, whole: BatchRng, images: int, rows: slice | Tensor) -> None:
        self.whole, self.images = whole, images
        self.rows = torch.arange(images)[rows]

    def uniform(self, shape: Sequence[int]) -> Tensor:
        return self._own(self.whole.uniform(self._wide(shape)))

    def normal(self, shape: Sequence[int]) -> Tensor:
        return self._own(self.whole.normal(self._wide(shape)))

    def beta(self, a: float, b: float) -> Tensor:
        """One number for the batch, the same for all its parts."""
        return self.whole.beta(a, b)

    def take(self, rows: Tensor) -> "PartRng":
        return PartRng(self.whole, self.images, self.rows[rows.cpu()])

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn[sent(self.rows, drawn.device)]

    def _wide(self, shape: Sequence[int]) -> list[int]:
        if shape[0] != len(self.rows):
            raise ValueError(f"{len(self.rows)} images cannot fill {tuple(shape)}")
        return [self.images, *shape[1:]]


def rng(seed: int, *labels: str | int, device: torch.device | str = "cpu") -> BatchRng:
    """The stream named by these labels."""
    return BatchRng(derive(seed, *labels), device)


def image_rng(
    seed: int,
    images: Iterable[int],
    *labels: str | int,
    device: torch.device | str = "cpu",
) -> ImageRng:
    """One stream for each image, by its index in the data set."""
    return ImageRng((derive(seed, *labels, "image", i) for i in images), device)
