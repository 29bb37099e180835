"""The device that a step computes on, set so that the same job gives the same numbers."""

import os

import torch


def prepare_device() -> torch.device:
    """The best device there is, deterministic as far as its kernels allow."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    # As `use_deterministic_algorithms(True, warn_only=True)`, which also imports torch's
    # compiler to set a flag of it; that takes as long as torch itself.
    torch.set_deterministic_debug_mode("warn")
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
