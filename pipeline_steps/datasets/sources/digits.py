"""scikit-learn's digits: 1,797 real handwritten digits that need no network."""

import gzip
from importlib.resources import files
from pathlib import Path

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256
from pipeline_steps.core.settings import Count
from pipeline_steps.datasets.canonical import Decoded, Split
from pipeline_steps.datasets.spec import DatasetSpec

GREYS = 16


class Digits:
    """The digits inside the scikit-learn package, enlarged and in three channels.

    All of them, or so many from the start.
    """

    def __init__(self, digest: str, images: Count | None = None) -> None:
        self.digest = digest
        self.images = images

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        shipped = files("sklearn.datasets.data").joinpath("digits.csv.gz")
        target.write_bytes(shipped.read_bytes())
        if sha256(target) != self.digest:
            raise PipelineError(
                "the installed scikit-learn ships other digits than expected; install "
                "the version that the lock file pins"
            )

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        # Here, for to fetch needs no torch.
        import torch
        from torch.nn import functional

        with gzip.open(archive, "rt") as file:
            table = np.loadtxt(file, delimiter=",", max_rows=self.images)
        greys = torch.from_numpy(table[:, :-1]).reshape(-1, 1, 8, 8) / GREYS
        enlarged = functional.interpolate(greys, size=spec.size, mode="bilinear")
        images = (
            (enlarged * 255).round().to(torch.uint8).expand(-1, spec.channels, -1, -1)
        )
        whole = Split(images.numpy().copy(), table[:, -1].astype(np.int64))
        return Decoded({"all": whole}, [str(digit) for digit in range(10)])
