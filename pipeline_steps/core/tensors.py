"""Tensors on disk, in a format that cannot carry code."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline_steps.core.arrays import reading
from pipeline_steps.core.files import writing


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None
) -> None:
    """Named tensors as safetensors, on the CPU, each in memory of its own."""
    whole = {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}
    with writing(path) as partial:
        save_file(whole, partial, metadata=dict(about) if about else None)


def read_tensors(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = reading(path, load_file)
    return tensors
