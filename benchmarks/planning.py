"""How long Snakemake takes to plan: `snakemake --profile slurm -n` on many more jobs.

python -m benchmarks.planning [--jobs 1500 6000] [--repeats 3] [--profile FILE]

In a copy of the project a paper is added whose table has a row for each of so many
defenses, under every threat. The time to start is that of a graph of one job; the time a
job is what the others add. Each is the least of the repeats. `--profile` writes what the
largest graph spends where.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline_steps.core.registry import ROOT

PARTS = ("Snakefile", "environment.yml", "requirements.lock", "pyproject.toml")
PARTS += ("pipeline_steps", "workflow", "profiles", "slurm")
CONFIG = "workflow/config"


def copied(root: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=ignored)
        else:
            shutil.copy2(source, root / part)


def enlarge(root: Path, wanted: int) -> None:
    """Adds defenses and a table of them until the graph has about so many jobs."""
    file = root / CONFIG / "defenses.yaml"
    defenses = yaml.safe_load(file.read_text())
    threats = list(yaml.safe_load((root / CONFIG / "threats.yaml").read_text()))
    scale = yaml.safe_load((root / CONFIG / "scales/paper.yaml").read_text())
    cut = scale.get("shards", {}).get("threats", {})
    # A defense is trained, and under each threat judged in shards and gathered.
    each = 1 + sum(1 + cut.get(threat, 1) for threat in threats)
    names = [f"added-{number}" for number in range(wanted // each)]
    models = list(defenses["defenses"].values())
    for number, name in enumerate(names):
        defenses["defenses"][name] = models[number % len(models)]
    file.write_text(yaml.safe_dump(defenses))
    columns = [{"name": threat, "threat": threat} for threat in threats]
    rows = [{"name": n, "defense": n, "published": [0.0] * len(threats)} for n in names]
    table = {"title": "added", "dataset": "cifar10", "columns": columns, "rows": rows}
    paper = {"title": "Added", "authors": "nobody", "tables": {"added": table}}
    (root / CONFIG / "papers" / "added.yaml").write_text(yaml.safe_dump(paper))


@dataclass(frozen=True)
class DryRun:
    """What a dry run took: time on the clock, and time of a processor."""

    seconds: float
    processor: float
    jobs: int


def dry_run(root: Path, *arguments: str, python: tuple[str, ...] = ()) -> DryRun:
    command = [sys.executable, *python, "-m", "snakemake", "--profile", "slurm", "-n"]
    begin, used = time.perf_counter(), _processor()
    done = subprocess.run(
        [*command, "--quiet", "rules", "--", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, processor = time.perf_counter() - begin, _processor() - used
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    total = re.search(r"^total\s+(\d+)", done.stdout + done.stderr, re.MULTILINE)
    return DryRun(seconds, processor, int(total[1]) if total else 0)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def told_of(kind: str, starts: list[float], wholes: list[float], jobs: int) -> str:
    start, whole = min(starts), min(wholes)
    each = 1000 * (whole - start) / jobs
    return f"{kind} {whole:.2f} s, {start:.2f} s of them to start, {each:.2f} ms a job"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, nargs="+", default=[1500, 6000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--profile", help="a file for cProfile's figures")
    told = parser.parse_args()
    for wanted in told.jobs:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            copied(root)
            enlarge(root, wanted)
            first = "data/cifar10/archive"
            starts = [dry_run(root, first) for _ in range(told.repeats)]
            wholes = [dry_run(root) for _ in range(told.repeats)]
            jobs = wholes[0].jobs
            for kind, key in [("clock", "seconds"), ("processor", "processor")]:
                times = [[getattr(r, key) for r in runs] for runs in (starts, wholes)]
                print(f"{jobs} jobs:", told_of(kind, *times, jobs), flush=True)
            if told.profile and wanted == max(told.jobs):
                dry_run(root, python=("-m", "cProfile", "-o", told.profile))


if __name__ == "__main__":
    main()
