"""How long Snakemake takes to plan: `snakemake --profile slurm -n`, in processor seconds.

python -m benchmarks.planning [CHECKOUT ...] [--scales preflight paper] [--repeats 2]

The start is that of a graph of one job: what each job of a cluster pays on its node, too. The
time a job is what the others add. Each is the least of the repeats. Several checkouts are
measured by turns, and the first is what the others are compared with. `--profile` writes
what the last plan spends where.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline_steps import layout
from pipeline_steps.core.registry import ROOT

ONE_JOB = layout.file("fetch_dataset", "archive", dataset="cifar10")


class DryRun(NamedTuple):
    """What a dry run took of a processor, and how many jobs it planned."""

    seconds: float
    jobs: int


def dry_run(
    root: Path, scale: str, *targets: str, python: Sequence[str] = ()
) -> DryRun:
    command = [sys.executable, *python, "-m", "snakemake", "--profile", "slurm", "-n"]
    command += ["--quiet", "rules", "--config", f"scale={scale}", "gpus=gpu", "--"]
    before = _processor()
    done = subprocess.run(
        [*command, *targets],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = _processor() - before
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    total = re.search(r"^total\s+(\d+)", done.stdout + done.stderr, re.MULTILINE)
    return DryRun(seconds, int(total[1]) if total else 0)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkouts", nargs="*", type=Path, default=[ROOT])
    parser.add_argument("--scales", nargs="+", default=["preflight", "paper"])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--profile", help="a file for cProfile's figures")
    options = parser.parse_args()
    plans = [("start", options.scales[0], [ONE_JOB])]
    plans += [(scale, scale, []) for scale in options.scales]
    for name, scale, targets in plans:
        runs = [
            [dry_run(root, scale, *targets) for root in options.checkouts]
            for _ in range(options.repeats)
        ]
        for root, own in zip(options.checkouts, zip(*runs, strict=True), strict=True):
            best, first = min(own), min(run[0] for run in runs)
            print(
                f"{name:10} {best.seconds:6.2f} s for {best.jobs:5} jobs, "
                f"{best.seconds / first.seconds:.2f} of the first: {root}",
                flush=True,
            )
    if options.profile:
        python = ("-m", "cProfile", "-o", options.profile)
        dry_run(options.checkouts[-1], options.scales[-1], python=python)


if __name__ == "__main__":
    main()
