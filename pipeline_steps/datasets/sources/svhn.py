"""SVHN, the house numbers of Street View, from its files for MATLAB."""

import zlib
from pathlib import Path
from typing import IO

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Published
from pipeline_steps.datasets.archives import member, opened
from pipeline_steps.datasets.canonical import Decoded, Split
from pipeline_steps.datasets.published import gather
from pipeline_steps.datasets.spec import DatasetSpec

DIGITS = 10


class Svhn:
    """Cropped digits in a file for training and one for testing."""

    def __init__(self, files: list[Published], train: str, test: str) -> None:
        self.files = [Published.model_validate(file) for file in files]
        self.members = {"train": train, "test": test}

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        gather(self.files, spec.name, target)

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        with opened(archive) as pack:
            splits = {
                split: _split(member(pack, name), name)
                for split, name in self.members.items()
            }
        return Decoded(splits, [str(digit) for digit in range(DIGITS)])


def _split(file: IO[bytes], name: str) -> Split:
    try:
        # Numbers alone are asked for, so nothing of MATLAB's other kinds is made.
        arrays = loadmat(file, variable_names=["X", "y"])
        images, labels = arrays["X"], arrays["y"].ravel()
    except (
        MatReadError,
        ValueError,
        TypeError,
        EOFError,
        OSError,
        zlib.error,
    ) as error:
        raise PipelineError(
            f"{name} is damaged, or not a MATLAB file: {error}"
        ) from None
    except (KeyError, NotImplementedError) as error:
        raise PipelineError(f"{name} is not in SVHN's form: {error}") from None
    if images.ndim != 4 or images.dtype != np.uint8 or labels.dtype.kind not in "ui":
        raise PipelineError(
            f"{name} is not in SVHN's form: X is not an array of images"
        )
    labels = labels.astype(np.int64)
    # Published as 1 to 10, where 10 is the digit 0.
    return Split(images.transpose(3, 2, 0, 1), np.where(labels == DIGITS, 0, labels))
