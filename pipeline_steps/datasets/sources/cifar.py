"""CIFAR-10 and CIFAR-100, from the archives that their authors published."""

import tarfile
from pathlib import Path

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Count
from pipeline_steps.datasets.archives import load_arrays
from pipeline_steps.datasets.canonical import Split
from pipeline_steps.datasets.download import download
from pipeline_steps.datasets.spec import DatasetSpec


class Cifar:
    """A CIFAR archive in its form for Python, known by its published MD5."""

    def __init__(
        self,
        address: str,
        length: Count,
        md5: str,
        train: list[str],
        test: list[str],
        labels: str = "labels",
    ) -> None:
        self.address, self.length, self.md5 = address, length, md5
        self.members = {"train": train, "test": test}
        self.labels = labels

    def fetch(self, place: Path) -> None:
        download(self.address, place, self.length, self.md5)

    def decode(self, archive: Path, spec: DatasetSpec) -> dict[str, Split]:
        with tarfile.open(archive) as opened:
            return {
                split: self._split(opened, names, spec)
                for split, names in self.members.items()
            }

    def _split(
        self, archive: tarfile.TarFile, names: list[str], spec: DatasetSpec
    ) -> Split:
        batches = []
        for name in names:
            try:
                file = archive.extractfile(name)
            except KeyError:
                file = None
            if file is None:
                raise PipelineError(f"the archive {archive.name!r} holds no {name}")
            batch = load_arrays(file, name)
            if self.labels.encode() not in batch:
                raise PipelineError(f"{name} holds no '{self.labels}'")
            batches.append(batch)
        pixels = np.concatenate([batch[b"data"] for batch in batches])
        labels = np.concatenate([batch[self.labels.encode()] for batch in batches])
        shape = (-1, spec.channels, spec.size, spec.size)
        return Split(pixels.reshape(shape), labels.astype(np.int64))
