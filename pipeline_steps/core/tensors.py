"""Tensors and arrays on disk, in formats that cannot carry code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import writing


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None
) -> None:
    """Named tensors as safetensors, on the CPU, each in memory of its own."""
    whole = {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}
    with writing(path) as partial:
        save_file(whole, partial, metadata=dict(about) if about else None)


def read_tensors(path: Path) -> dict[str, Tensor]:
    return _read(path, load_file)


def write_array(path: Path, array: np.ndarray) -> None:
    with writing(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path) -> np.ndarray:
    """A memory-mapped array; pickled objects and archives are refused."""
    return _read(path, _mapped)


def _mapped(path: Path) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("it is an archive")
    return array


def _read(path: Path, load: Callable[[Path], Any]) -> Any:
    try:
        return load(path)
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; build it, or pull it") from None
    except (SafetensorError, ValueError, EOFError, OSError) as error:
        raise PipelineError(
            f"{path} is damaged or of another format ({error}); "
            "delete it and build or pull it again"
        ) from error
