"""The canonical form of a data set: uint8, NCHW, split into training and test
images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_steps.core.arrays import write_array, write_batches
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.seeds import derive
from pipeline_steps.datasets.spec import Cut, DatasetSpec

SPLITS = ("train", "test")
BATCH = 64


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    The images are an array or, like `Photographs`, know their shape and become arrays a
    batch at a time.
    """

    images: Any
    labels: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "Split":
        return Split(self.images[rows], self.labels[rows])

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Decoded:
    """What a source contains: its own splits, or a split of `all` images, and its
    classes."""

    splits: dict[str, Split]
    names: list[str]


def cut_off_test(whole: Split, how: Cut, name: str) -> dict[str, Split]:
    """Sets aside a fixed share of every class for testing; always the same images."""
    draw = np.random.default_rng(derive(0, name, "test split"))
    train, test = [], []
    for label in np.unique(whole.labels):
        rows = np.flatnonzero(whole.labels == label)
        count = round(how.share * len(rows))
        rows = rows[::-1] if how.rule == "file_order" else draw.permutation(rows)
        test.append(rows[: min(count, how.at_most or count)])
        if how.train_at_most:
            # The images left over may fill up classes with few images.
            rest = rows[len(test[-1]) :]
            train.append(rest[max(0, len(rest) - how.train_at_most) :])
        else:
            train.append(rows[count:])
    return {
        split: whole[np.sort(np.concatenate(rows))]
        for split, rows in (("train", train), ("test", test))
    }


def check(split: Split, spec: DatasetSpec, name: str) -> None:
    """Refuses a split that is not in the canonical form."""
    for complaint in _complaints(split, spec):
        raise PipelineError(f"data set {spec.name}, {name} images: {complaint}")


def _complaints(split: Split, spec: DatasetSpec) -> Iterator[str]:
    images, labels = split.images, split.labels
    shape = (spec.channels, spec.size, spec.size)
    if len(images) == 0 or len(images) != len(labels):
        yield f"{len(images)} images for {len(labels)} labels"
    elif images.shape[1:] != shape:
        yield f"each is {images.shape[1:]}, where the config says {shape}"
    elif images.dtype != np.uint8:
        yield f"they are {images.dtype}, not uint8, so they may be out of [0, 1]"
    elif labels.min() < 0 or labels.max() >= spec.classes:
        yield f"labels run from {labels.min()} to {labels.max()}, not 0 to {spec.classes - 1}"


def write(split: Split, images: Path, labels: Path, classes: int) -> dict[str, Any]:
    """Writes a split batch by batch, and returns its facts for the card."""
    facts = _Facts(split.images.shape[1], classes)
    batches = (facts.of(batch) for batch in _batches(split))
    write_batches(images, split.images.shape, batches)
    write_array(labels, split.labels)
    return facts.metrics(split.labels)


def _batches(split: Split) -> Iterator[np.ndarray]:
    for start in range(0, len(split), BATCH):
        yield np.asarray(split.images[start : start + BATCH])


class _Facts:
    """Size, classes and colours of a split that is read one batch at a time."""

    def __init__(self, channels: int, classes: int) -> None:
        self.classes = classes
        # Integers, so that sums don't depend on the batches.
        self.counts = np.zeros((channels, 256), np.int64)

    def of(self, batch: np.ndarray) -> np.ndarray:
        for channel, counts in enumerate(self.counts):
            counts += np.bincount(batch[:, channel].ravel(), minlength=256)
        return batch

    def metrics(self, labels: np.ndarray) -> dict[str, Any]:
        values = np.arange(256) / 255
        share = self.counts / self.counts.sum(axis=1, keepdims=True)
        mean = share @ values
        deviation = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
        return {
            "images": len(labels),
            "per_class": np.bincount(labels, minlength=self.classes).tolist(),
            "mean": [round(v, 6) for v in mean.tolist()],
            "deviation": [round(v, 6) for v in deviation.tolist()],
        }
