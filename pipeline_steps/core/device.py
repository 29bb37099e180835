"""The device that a step computes on, set so that the same job gives the same numbers."""

import os
import sys

import torch


def prepare_device() -> torch.device:
    """The best device there is, deterministic as far as its kernels allow."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    _be_deterministic()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _be_deterministic() -> None:
    """As `use_deterministic_algorithms(True, warn_only=True)`, without torch's compiler.

    That function imports the compiler to set a flag of it, which takes as long as torch
    itself. The variable is read if a network is ever compiled.
    """
    torch.set_deterministic_debug_mode("warn")
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
    if "torch._inductor.config" in sys.modules:
        sys.modules["torch._inductor.config"].deterministic = True  # type: ignore[attr-defined]
