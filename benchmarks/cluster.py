"""What `snakemake --profile slurm` costs: fifty short jobs on a SLURM of this machine.

python -m benchmarks.cluster [--jobs 50] [--seconds 1]

Each job sleeps. It runs them by sbatch alone, by Snakemake without SLURM, and through the
profile as it stands and with one setting changed at a time. SLURM's packages are needed;
tests/cluster/slurm_house.py names them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pipeline_steps.core.registry import ROOT

sys.path.insert(0, str(ROOT / "tests" / "cluster"))

from slurm_house import Cluster

SNAKEFILE = """\
rule all:
    input:
        expand("made/{{n}}", n=range({jobs})),


rule short:
    output:
        "made/{{n}}",
    shell:
        "sleep {seconds}; touch {{output}}"
"""
SIZES = ("--default-resources", "slurm_partition=main", "mem_mb=400", "runtime=5")
FIRST_LOOK = "--slurm-init-seconds-before-status-checks"
GROUPED = ("--groups", "short=ten", "--group-components", "ten=10", "--cores", "4")
PROFILE = ("--profile", "slurm", *SIZES)
VARIANTS: dict[str, tuple[str, ...]] = {
    "sbatch alone": (),
    "snakemake on this machine, 2 at once": ("--cores", "2"),
    "the profile as it stands": PROFILE,
    "the profile, first look after 8 s": (*PROFILE, FIRST_LOOK, "8"),
    "the profile, first look 8 s, groups of ten": (*PROFILE, FIRST_LOOK, "8", *GROUPED),
}


def by_sbatch(cluster: Cluster, folder: Path, jobs: int, seconds: float) -> None:
    """All jobs submitted one after the other, and then waited for."""
    ask = (
        "sbatch",
        "--parsable",
        "--partition=main",
        "--mem=400",
        "--output=/dev/null",
    )
    for _ in range(jobs):
        cluster.ask(*ask, f"--chdir={folder}", "--wrap", f"sleep {seconds}")
    while cluster.ask("squeue", "--noheader", "--states", "PD,R,CG"):
        time.sleep(0.2)


def by_snakemake(cluster: Cluster, folder: Path, arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "snakemake", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=cluster.env, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])


def held(cluster: Cluster, folder: Path) -> tuple[float, float]:
    """Seconds that SLURM's jobs held a node, and from the first start to the last end."""
    asked = ("sacct", "-a", "-X", "-n", "-P", "-o", "Start,End,WorkDir")
    rows = (line.split("|") for line in cluster.ask(*asked).splitlines())
    spans = [
        (datetime.fromisoformat(start), datetime.fromisoformat(end))
        for start, end, where in rows
        if where == str(folder)
    ]
    if not spans:
        return float("nan"), float("nan")
    whole = max(end for _, end in spans) - min(start for start, _ in spans)
    return sum((e - s).total_seconds() for s, e in spans), whole.total_seconds()


def measured(
    cluster: Cluster, folder: Path, jobs: int, seconds: float, how: Sequence[str]
) -> tuple[float, float, float]:
    """The whole time of one variant, and what `held` tells of it."""
    folder.mkdir()
    text = SNAKEFILE.format(jobs=jobs, seconds=seconds)
    (folder / "Snakefile").write_text(text)
    shutil.copytree(ROOT / "slurm", folder / "slurm")
    started = time.monotonic()
    if how:
        by_snakemake(cluster, folder, how)
    else:
        by_sbatch(cluster, folder, jobs, seconds)
    whole = time.monotonic() - started
    time.sleep(2)  # until the database knows
    return whole, *held(cluster, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=1, help="that a job sleeps")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        cluster = Cluster(Path(name) / "state").up()
        try:
            print(f"{told.jobs} jobs of {told.seconds:g} s on {os.cpu_count()} cores\n")
            print(f"{'seconds':44} {'whole':>6} {'in jobs':>8} {'first to last':>14}")
            for number, (title, how) in enumerate(VARIANTS.items()):
                folder = Path(name) / str(number)
                row = measured(cluster, folder, told.jobs, told.seconds, how)
                print("{:44} {:6.1f} {:8.0f} {:14.0f}".format(title, *row), flush=True)
        finally:
            cluster.down()


if __name__ == "__main__":
    main()
