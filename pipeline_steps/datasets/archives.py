"""Reads published archives, tables and pickles without running any code in them."""

import lzma
import math
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np

from pipeline_steps.core.errors import PipelineError

# How many times its own size an archive may unpack to. Images of data sets hardly
# compress, and a small archive does no harm.
MOST_UNPACKED = 100
SMALL = 1 << 26

ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class _ArraysOnly(pickle.Unpickler):
    """Can rebuild NumPy arrays, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return super().find_class(module, name)


def load_arrays(file: IO[bytes], name: str) -> dict[bytes, Any]:
    """The arrays of a pickle."""
    try:
        content = _ArraysOnly(file, encoding="bytes").load()
    except Exception as error:  # a damaged pickle may raise anything
        raise PipelineError(
            f"{name} is not a pickle of plain arrays: {error}"
        ) from None
    if not isinstance(content, dict):
        raise PipelineError(f"{name} is not a pickle of arrays by name")
    return content


@contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """An archive that holds only files and folders, with all paths inside it."""
    try:
        packed = path.stat().st_size
        with tarfile.open(path) as archive:
            unpacked = 0
            for member in archive:
                refuse_escape(path, member)
                unpacked += member.size
                if unpacked > MOST_UNPACKED * packed + SMALL:
                    raise PipelineError(
                        f"{path} would unpack to more than {MOST_UNPACKED} times its size; "
                        "it is not the published file"
                    )
            yield archive
    except (
        *(tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError),
        *(ValueError, RecursionError),
    ) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        first = str(error).partition("\n")[0].rstrip(":")
        raise PipelineError(
            f"{path} is not a complete archive ({first}); delete it, and fetch it again"
        ) from None


def refuse_escape(path: Path, member: tarfile.TarInfo) -> None:
    """Refuses an archive with links, devices, or paths outside it."""
    try:
        tarfile.data_filter(member, "/the/archive")
        if member.name.startswith("/"):  # which the filter would only remove
            raise tarfile.AbsolutePathError(member)
    except tarfile.FilterError as error:
        raise PipelineError(
            f"{path} holds {member.name!r}, which would be extracted outside its "
            f"folder ({error}); it is not the published file"
        ) from None
    if not (member.isfile() or member.isdir()):
        raise PipelineError(
            f"{path} holds the link {member.name!r}, and no published archive holds "
            "links; it is not the published file"
        )
    if member.issparse():  # a few bytes may unpack to a terabyte
        raise PipelineError(
            f"{path} holds the sparse file {member.name!r}, and no published archive holds "
            "such; it is not the published file"
        )


def member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """One file of an archive."""
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise PipelineError(f"the archive {archive.name!r} holds no {name}")
    return file


class Readable(Protocol):
    """Anything whose content can be read a number of bytes at a time."""

    def read(self, size: int = -1, /) -> bytes: ...


class Packing:
    """Writes a plain archive whose bytes depend only on names and contents."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self.archive = archive

    def add(self, name: str, size: int, content: Readable) -> None:
        header = tarfile.TarInfo(name)
        header.size = size
        self.archive.addfile(header, content)


@contextmanager
def packing(path: Path) -> Iterator[Packing]:
    try:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            yield Packing(archive)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def mapped_array(path: Path, name: str) -> np.ndarray:
    """An `.npy` file inside a plain archive, memory-mapped without unpacking."""
    with opened(path) as archive:
        file, whole = member(archive, name), archive.getmember(name)
        try:
            np.lib.format.read_magic(file)
            shape, in_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise PipelineError(f"{name} in {path} is not an array: {reason}") from None
        start = whole.offset_data + file.tell()
        length = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or length > whole.size - (start - whole.offset_data):
        raise PipelineError(
            f"{name} in {path} is shorter than the array that it describes"
        )
    if dtype.hasobject:
        raise PipelineError(f"{name} in {path} holds objects that could carry code")
    order: Literal["F", "C"] = "F" if in_fortran else "C"
    return np.memmap(path, dtype, "r", start, shape, order)
