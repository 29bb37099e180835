"""CIFAR-10-C: the corrupted test images that its authors published."""

from pathlib import Path

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Published
from pipeline_steps.datasets.archives import mapped_array
from pipeline_steps.datasets.canonical import Decoded
from pipeline_steps.datasets.published import gather
from pipeline_steps.datasets.spec import DatasetSpec

SEVERITIES = 5


class CifarC:
    """The test images in blocks, one for each severity, in a file for each corruption."""

    def __init__(self, files: list[Published], folder: str = "CIFAR-10-C") -> None:
        self.files = [Published.model_validate(file) for file in files]
        self.folder = folder

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        gather(self.files, spec.name, target)

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        raise PipelineError(
            f"{spec.name} holds corrupted test images and none to train on, so it has "
            "no canonical form; it is fetched for the data set that it belongs to"
        )

    def labels(self, archive: Path) -> np.ndarray:
        """The labels of all rows; each severity has the same."""
        labels = np.asarray(mapped_array(archive, f"{self.folder}/labels.npy"))
        blocks = (
            labels.reshape(SEVERITIES, -1) if len(labels) % SEVERITIES == 0 else None
        )
        if blocks is None or labels.ndim != 1 or (blocks != blocks[0]).any():
            raise PipelineError(
                f"the labels in {archive} are not those of {SEVERITIES} severities, one "
                "after the other"
            )
        return labels.astype(np.int64)

    def corruption(self, archive: Path, name: str, spec: DatasetSpec) -> np.ndarray:
        """All rows of one corruption, severity by severity, NCHW, mapped from the file."""
        images = mapped_array(archive, f"{self.folder}/{name}.npy")
        shape = (len(self.labels(archive)), spec.size, spec.size, spec.channels)
        if images.shape != shape or images.dtype != np.uint8:
            raise PipelineError(
                f"{name} in {archive} is {images.dtype} of shape {images.shape}, where "
                f"uint8 of {shape} was published"
            )
        return images.transpose(0, 3, 1, 2)
