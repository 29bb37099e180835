"""Corrupt a data set's test images at five severities, or take the published ones.

All images at the first severity come first, then all at the second: five rows of the
archive for each test image, in the form of every data set here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_steps.core.arrays import read_array, write_array, write_batches
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.shards import cut
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.corruption import SEVERITIES, corrupt
from pipeline_steps.datasets.spec import CorruptionSpec

# The number of values corrupted at once: few enough for a cache. No result depends on
# it.
VALUES = 1 << 18

Corrupted = Callable[[np.ndarray, range, int], np.ndarray]


class Distances:
    """How much images change, on average, at each severity."""

    def __init__(self) -> None:
        self.sums = {severity: np.zeros(2) for severity in SEVERITIES}
        self.images = 0

    def add(self, clean: np.ndarray, corrupted: np.ndarray, severity: int) -> None:
        moved = np.abs(corrupted.astype(np.int16) - clean).reshape(len(clean), -1)
        # Sums of integers, so that the last digit doesn't depend on the batches.
        squares = np.square(moved, dtype=np.int64).sum(axis=1)
        l2 = np.round(np.sqrt(squares) / 255 * 2**24) / 2**24
        self.sums[severity] += l2.sum(), moved.max(axis=1).sum()
        self.images += len(clean) if severity == SEVERITIES[0] else 0

    def facts(self) -> dict[str, list[float]]:
        means = np.array(list(self.sums.values())) / self.images / (1, 255)
        return {
            name: [round(mean, 6) for mean in column.tolist()]
            for name, column in zip(("l2", "linf"), means.T, strict=True)
        }


def main(job: Job[CorruptionSpec]) -> dict[str, Any]:
    spec = job.spec
    path, labels = job.verified("images", "test_images"), _labels(job)
    images = read_array(path)
    corrupted = _published(job, labels) if "source" in spec.made else _generated(job)
    distances = Distances()

    def batches() -> Iterator[np.ndarray]:
        for severity in SEVERITIES:
            for rows in cut(len(images), max(1, VALUES // images[0].size)):
                # Mapped again for each batch, because pages that were read count as
                # memory.
                clean = read_array(path)[rows.start : rows.stop]
                made = corrupted(clean, rows, severity)
                distances.add(clean, made, severity)
                yield made

    shape = (len(SEVERITIES) * len(images), *images.shape[1:])
    write_batches(job.output("test_images"), shape, batches())
    write_array(job.output("test_labels"), np.tile(labels, len(SEVERITIES)))
    return {"images": shape[0], **distances.facts()}


def _labels(job: Job[CorruptionSpec]) -> np.ndarray:
    return np.asarray(read_array(job.verified("labels", "test_labels")))


def _textures(archive: Path) -> list[torch.Tensor]:
    # Imported here, because only frost opens photographs.
    from pipeline_steps.datasets.textures import textures

    return textures(archive)


def _generated(job: Job[CorruptionSpec]) -> Corrupted:
    spec = job.spec
    archives = job.all_verified("archive", "archive") if "archive" in job.inputs else []
    textures = {"textures": _textures(archives[0])} if archives else {}
    corruption = make("corruption", spec.made, **textures)

    def corrupted(clean: np.ndarray, rows: range, severity: int) -> np.ndarray:
        images = torch.from_numpy(np.array(clean))
        made = corrupt(corruption, spec.name, images, rows.start, severity, spec.seed)
        return made.numpy()

    return corrupted


def _published(job: Job[CorruptionSpec], labels: np.ndarray) -> Corrupted:
    spec, archive = job.spec, job.verified("archive", "archive")
    source = make("source", spec.made)
    whole = np.tile(labels, len(SEVERITIES))
    if not np.array_equal(source.labels(archive), whole):
        raise PipelineError(
            f"the labels in {archive} do not repeat those of the test images of "
            f"{spec.dataset.name} five times; it belongs to another data set"
        )

    def corrupted(clean: np.ndarray, rows: range, severity: int) -> np.ndarray:
        every = source.corruption(archive, spec.name, spec.dataset)
        first = (severity - 1) * len(labels)
        return np.array(every[first + rows.start : first + rows.stop])

    return corrupted


if __name__ == "__main__":
    run("datasets.corrupt_dataset", CorruptionSpec, main)
