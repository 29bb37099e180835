"""Arrays on disk, in formats that cannot carry code; without torch."""

import math
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import writing


def write_array(path: Path, array: np.ndarray) -> None:
    with writing(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def write_batches(
    path: Path, shape: tuple[int, ...], batches: Iterable[np.ndarray]
) -> None:
    """Writes the same bytes as for a whole array, from batches of uint8.

    They are written, not mapped: mapped pages count as memory of the job until the
    system needs them.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with writing(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        written = 0
        for batch in batches:
            written += file.write(np.ascontiguousarray(batch, np.uint8).data)
        if written != math.prod(shape):
            raise ValueError(
                f"the batches hold {written:,} bytes, which do not fill the shape {shape}"
            )


def read_array(path: Path) -> np.ndarray:
    """A memory-mapped array; pickled objects and archives are refused."""
    return reading(path, _mapped)


def join_arrays(paths: Iterable[Path], path: Path, rows: int | None = None) -> None:
    """Concatenates arrays in one file without holding them in memory.

    They are repeated if the result has more rows than they do.
    """
    parts = [read_array(part) for part in paths]
    rows = rows or sum(map(len, parts))
    with writing(path) as partial:
        shape = (rows, *parts[0].shape[1:])
        whole = np.lib.format.open_memmap(partial, "w+", parts[0].dtype, shape)
        start = 0
        for part in cycle(filter(len, parts)):
            taken = part[: rows - start]
            whole[start : start + len(taken)] = taken
            start += len(taken)
            if start == rows:
                break
        whole.flush()


def join_named(paths: Iterable[Path], path: Path) -> None:
    """The same for small files of named arrays."""
    parts = [read_named(part) for part in paths]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    with writing(path) as partial:
        save_file(whole, partial)


def read_named(path: Path) -> dict[str, np.ndarray]:
    """Named tensors, as `tensors.py` writes them, as arrays."""
    arrays: dict[str, np.ndarray] = reading(path, load_file)
    return arrays


def reading(path: Path, load: Callable[[Path], Any]) -> Any:
    """Reads a file with `load`; if that fails, a sentence says what is wrong with
    it."""
    try:
        return load(path)
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; build it, or pull it") from None
    except (SafetensorError, ValueError, EOFError, OSError, MemoryError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PipelineError(
            f"{path} is damaged or of another format ({reason}); "
            "delete it and build or pull it again"
        ) from error


def _mapped(path: Path) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("it is an archive")
    return array
