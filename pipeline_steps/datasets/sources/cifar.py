"""CIFAR-10 and CIFAR-100, from the archives that their authors published."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Published
from pipeline_steps.datasets.archives import load_arrays, member, opened
from pipeline_steps.datasets.canonical import Decoded, Split
from pipeline_steps.datasets.published import gather
from pipeline_steps.datasets.spec import DatasetSpec


class Cifar:
    """A CIFAR archive in its form for Python: pickles of pixels and labels."""

    def __init__(
        self,
        files: list[Published],
        train: list[str],
        test: list[str],
        names: str,
        labels: str = "labels",
    ) -> None:
        self.files = [Published.model_validate(file) for file in files]
        self.members = {"train": train, "test": test}
        self.names, self.labels = names, labels

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        gather(self.files, spec.name, target)

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        splits = {
            split: self._split(archive, names, spec)
            for split, names in self.members.items()
        }
        # `labels` are named by `label_names`, `fine_labels` by `fine_label_names`.
        key = f"{self.labels.removesuffix('s')}_names"
        (names,) = _pickled(archive, self.names, key)
        return Decoded(splits, [name.decode() for name in names])

    def _split(self, archive: Path, names: list[str], spec: DatasetSpec) -> Split:
        batches = [_pickled(archive, name, "data", self.labels) for name in names]
        pixels = np.concatenate([pixels for pixels, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        shape = (-1, spec.channels, spec.size, spec.size)
        return Split(pixels.reshape(shape), labels.astype(np.int64))


def _pickled(path: Path, name: str, *keys: str) -> list[Any]:
    """Some of what a pickle in the archive holds."""
    with opened(path) as archive:
        content = load_arrays(member(archive, name), name)
    for key in keys:
        if key.encode() not in content:
            raise PipelineError(f"{name} holds no '{key}'")
    return [content[key.encode()] for key in keys]
