"""The record of a run: which machine made a result, how long it took, and how much
memory it used.

It is stored beside the card, and no result depends on it.
"""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

from pipeline_steps.core import pace, processes
from pipeline_steps.core.digest import Code
from pipeline_steps.core.registry import ROOT

CHANGES_NO_RESULT = True


def record(code: Code, started: float, clock: float, start: float) -> dict[str, Any]:
    """Facts about this process.

    The job started at `started`, when the monotonic clock said `clock`; `start` is what
    the process took before its own work.
    """
    # A worker of the pool has torch in memory even if its job doesn't use it.
    torch = sys.modules.get("torch") if "torch" in code.packages else None
    on_gpu = torch is not None and torch.cuda.is_available()
    held = torch.cuda.max_memory_allocated() if torch and on_gpu else 0
    return {
        "machine": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in code.packages},
        "device": torch.cuda.get_device_name() if torch and on_gpu else "cpu",
        "threads": os.environ.get("OMP_NUM_THREADS", "1"),
        **processes.facts(),
        **pace.facts(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.monotonic() - clock, 2),
        "processor_seconds": round(time.process_time(), 2),
        "processor_seconds_of_start": round(start, 2),
        "peak_memory_mb": processes.peak_memory_mb(),
        "peak_gpu_memory_mb": round(held / 2**20),
        "revision": _revision(),
    }


def with_parts(own: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of a result that was made in parts: their total cost."""
    if not parts:
        return own
    peaks = ("peak_memory_mb", "peak_gpu_memory_mb")
    return own | {
        "device": parts[0]["device"],
        "seconds": round(sum(r["seconds"] for r in [own, *parts]), 2),
        **{peak: max(r[peak] for r in [own, *parts]) for peak in peaks},
        "parts": parts,
    }


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"
