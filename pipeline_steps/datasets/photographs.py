"""Photographs as images of one size, decoded only when they are asked for."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.datasets.pictures import BROKEN, open_picture
from pipeline_steps.datasets.spec import DatasetSpec

Fit = Literal["stretch", "crop"]

# Each holds a photograph at its full size, and memory is to stay small.
THREADS = min(4, len(os.sched_getaffinity(0)))
MODES = {1: "L", 3: "RGB"}


class Photograph(NamedTuple):
    """Which file, and the bytes that it must have."""

    album: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Photographs:
    """Stands for an array of images, of which no more are decoded than are asked for."""

    which: Sequence[Photograph]
    read: Callable[[str, str], bytes]
    spec: DatasetSpec
    fit: Fit

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        size = self.spec.size
        return (len(self.which), self.spec.channels, size, size)

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, rows: Any) -> "Photographs":
        if isinstance(rows, slice):
            return replace(self, which=self.which[rows])
        return replace(self, which=[self.which[row] for row in rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        with ThreadPoolExecutor(THREADS) as pool:
            return np.stack(list(pool.map(self._decoded, self.which)))

    def _decoded(self, photograph: Photograph) -> np.ndarray:
        name = f"{photograph.album}/{photograph.file}"
        content = self.read(photograph.album, photograph.file)
        if hashlib.sha256(content).hexdigest() != photograph.sha256:
            raise PipelineError(
                f"{name} is no longer the file that was indexed; fetch {self.spec.name} "
                "again, or restore the file"
            )
        return decode(content, name, self.spec, self.fit)


def decode(content: bytes, name: str, spec: DatasetSpec, fit: Fit) -> np.ndarray:
    """An image file, grey and CMYK ones among them, as CHW of the data set's size."""
    try:
        with open_picture(content) as picture:
            image = picture.convert(MODES[spec.channels])
    except BROKEN as error:
        raise PipelineError(
            f"{name} can't be read as an image ({error}); replace it by a complete "
            f"copy or remove it, then fetch {spec.name} again"
        ) from None
    if fit == "crop":
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)
        image = image.crop((left, top, left + side, top + side))
    size = (spec.size, spec.size)
    resized = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(*size, spec.channels).transpose(2, 0, 1)
