"""CIFAR-10 from a folder of its published files: how long each step takes, and how much memory.

python -m benchmarks.datasets FOLDER [--repeats 3]

FOLDER holds cifar-10-python.tar.gz, or what is in it. The steps run as the rules run
them, each in a process of its own. Beside them stands torchvision's reader of the same
files, which keeps nothing on disk and checks the same MD5s.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline_steps.config.load import load_config
from pipeline_steps.core.job_file import JobFile
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.specs import Specs

ROLES = ("train_images", "train_labels", "test_images", "test_labels")
PEER = """
import resource, sys, time
from pipeline_steps.core import torchvision_ops
from torchvision.datasets import CIFAR10
started = time.perf_counter()
for train in (True, False):
    CIFAR10(sys.argv[1], train=train, download=False)
print(time.perf_counter() - started)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def run(command: list[str], folder: Path, **environment: str) -> str:
    told = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode != 0:
        sys.exit(told.stderr)
    return told.stdout


def step(
    name: str,
    spec: Any,
    inputs: list[str],
    outputs: list[str],
    folder: Path,
    **more: str,
) -> tuple[float, float]:
    """Seconds, the start of Python among them, and the peak of memory in MiB."""
    step = f"datasets.{name}"
    places = {role: f"{name}.{role}" for role in (*outputs, "card", "record")}
    taken = {key: [path] for key, _, path in (word.partition("=") for word in inputs)}
    job = folder / f"{name}.job.json"
    JobFile(step, spec.model_dump(mode="json"), places, taken).write(job)
    started = time.perf_counter()
    run(["-m", f"pipeline_steps.{step}", str(job)], folder, **more)
    seconds = time.perf_counter() - started
    record = json.loads((folder / f"{name}.record").read_text())
    return seconds, record["peak_memory_mb"]


def measured(mirror: Path) -> dict[str, tuple[float, float]]:
    plan = Specs(load_config("paper"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        told = {
            "fetch_dataset": step(
                "fetch_dataset",
                plan.fetched("cifar10"),
                [],
                ["archive"],
                folder,
                DATASETS_MIRROR=str(mirror),
            )
        }
        inputs = ["archive=fetch_dataset.archive", "archive_card=fetch_dataset.card"]
        told["build_dataset"] = step(
            "build_dataset", plan.source("cifar10"), inputs, [*ROLES], folder
        )
    if (mirror / "cifar-10-batches-py").is_dir():
        seconds, peak = run(["-c", PEER, str(mirror)], mirror).split()
        told["torchvision's reader"] = (float(seconds), float(peak))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    runs = [measured(told.folder.resolve()) for _ in range(told.repeats)]
    print(f"median of {told.repeats} runs on {os.cpu_count()} cores")
    for name in runs[0]:
        seconds = statistics.median(one[name][0] for one in runs)
        peak = max(one[name][1] for one in runs)
        print(f"{name:<22} {seconds:6.1f} s  {peak:6.0f} MiB at the most")


if __name__ == "__main__":
    main()
