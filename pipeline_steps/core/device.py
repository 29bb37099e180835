"""The device that a step computes on, set so that the same job gives the same numbers."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# An environment variable that names the device: "cpu", "cuda:1". The default is the
# best one.
DEVICE = "PIPELINE_DEVICE"


def prepare_device(deterministic: bool = True) -> torch.device:
    """The requested device, or the best one.

    It is as deterministic as it can be, unless cuDNN may try kernels and take the
    fastest.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.allow_tf32 = False
    if deterministic:
        _be_deterministic()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    best = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(os.environ.get(DEVICE, best))


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device, copied without waiting for the GPU.

    A plain `to` waits until the GPU has finished all queued work. A copy from pinned
    memory doesn't wait, and torch keeps that memory until the copy is done.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether a GPU's convolutions and products may round to TF32 in the `with` block.

    A CPU has no TF32 and computes in float32 either way.
    """
    backends: tuple[Any, Any] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = allowed
        yield
    finally:
        for backend, was in zip(backends, before, strict=True):
            backend.allow_tf32 = was


def _be_deterministic() -> None:
    """As `use_deterministic_algorithms(True, warn_only=True)`, without torch's compiler.

    That function imports the compiler to set a flag of it, which takes as long as torch
    itself. The variable is read if a network is ever compiled.
    """
    torch.set_deterministic_debug_mode("warn")
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
    if "torch._inductor.config" in sys.modules:
        sys.modules["torch._inductor.config"].deterministic = True  # type: ignore[attr-defined]
