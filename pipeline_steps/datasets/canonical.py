"""The one form of a data set: uint8, NCHW, split into training and test images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import derive
from pipeline_steps.datasets.spec import DatasetSpec

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Split:
    """Images with their labels."""

    images: np.ndarray
    labels: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "Split":
        return Split(self.images[rows], self.labels[rows])

    def __len__(self) -> int:
        return len(self.labels)


def cut_off_test(whole: Split, share: float, name: str) -> dict[str, Split]:
    """A fixed share of every class for testing, the same for ever."""
    draw = np.random.default_rng(derive(0, name, "test split"))
    test = [
        draw.permutation(rows)[: round(share * len(rows))]
        for rows in (np.flatnonzero(whole.labels == c) for c in np.unique(whole.labels))
    ]
    tested = np.isin(np.arange(len(whole)), np.concatenate(test))
    return {
        "train": whole[np.flatnonzero(~tested)],
        "test": whole[np.flatnonzero(tested)],
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


def facts(split: Split, classes: int) -> dict[str, Any]:
    """What a card tells of a split: its size, classes and colours."""
    values = split.images.astype(np.float64) / 255
    return {
        "images": len(split),
        "per_class": np.bincount(split.labels, minlength=classes).tolist(),
        "mean": [round(v, 6) for v in values.mean(axis=(0, 2, 3)).tolist()],
        "deviation": [round(v, 6) for v in values.std(axis=(0, 2, 3)).tolist()],
    }
