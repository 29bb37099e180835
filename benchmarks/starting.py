"""What each step's start takes, against `python -c "import torch"`.

python -m benchmarks.starting [STEP ...] [--scale demo] [--repeats 3] [--checkout FOLDER]
python -m benchmarks.starting --records results/demo

A start is all that a job does before its own work: Python, the step's modules and those
that its spec names, the check of its spec, and the digest of its code. A few jobs stand
for all. Each time is the least of the repeats, in seconds of a processor, with one
thread. `--checkout` measures the steps of another checkout on this one's specs.

Times without kept bytecode, as under PYTHONDONTWRITEBYTECODE, are twice as long: each
start compiles whatever it imports.

`--records` adds up what the jobs of a finished run took, and how much of that was start.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from pipeline_steps.core.files import read_json
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.rules import STEPS, Jobs

START = """
import json, sys
from importlib import import_module
from typing import get_args, get_type_hints
name, spec = sys.argv[1], json.loads(sys.argv[2])
step = import_module("pipeline_steps." + name)
(spec_type,) = get_args(get_type_hints(step.main)["job"])
spec = spec_type.model_validate(spec).model_dump(mode="json")
from pipeline_steps.core import digest, registry
digest.code(name, spec)
if not hasattr(step, "GATHERS"):
    for entry in registry.entries(spec):
        registry.load(*entry)
"""

ON_DIGITS = {"dataset": "digits", "defense": "ijsat", "shard": "1-of-1"}
JOBS = (
    ("fetch_dataset", ON_DIGITS),
    ("build_dataset", {"dataset": "digits"}),
    ("build_dataset", {"dataset": "cifar10"}),
    ("show_dataset", ON_DIGITS),
    ("corrupt_dataset", {"dataset": "digits", "corruption": "fog"}),
    ("corrupt_dataset", {"dataset": "digits", "corruption": "shot_noise"}),
    ("train_flow", {"dataset": "digits", "generator": "glow"}),
    ("train_gan", {"dataset": "digits", "generator": "stylegan"}),
    ("project_dataset", ON_DIGITS | {"generator": "glow", "split": "test"}),
    ("gather_manifold", {"dataset": "digits", "generator": "glow", "split": "test"}),
    ("train_defense", ON_DIGITS),
    ("attack_defense", ON_DIGITS | {"threat": "clean"}),
    ("attack_defense", ON_DIGITS | {"threat": "autoattack"}),
    ("attack_snapshots", ON_DIGITS | {"threat": "pgd20"}),
    ("explain_defense", ON_DIGITS | {"threat": "pgd20"}),
    ("gather_verdicts", ON_DIGITS | {"threat": "clean"}),
    ("make_table", {"paper": "ijsat", "table": "table1"}),
    ("make_figure", {"paper": "ijsat", "figure": "figure1"}),
    ("make_figure", {"paper": "ijsat", "figure": "figure4"}),
    ("make_figure", {"paper": "atld", "figure": "figure1"}),
    ("check_claims", {"paper": "ijsat"}),
    ("gather_claims", {}),
    ("make_report", {}),
)


def processor_seconds(*arguments: str, checkout: Path) -> float:
    """What a fresh interpreter takes, of its own and of the system's time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def of_records(folder: Path) -> str:
    """What all jobs of a run took, in minutes of a processor, as their records tell."""
    took, start, jobs = 0.0, 0.0, 0
    for path in folder.rglob("*.record.json"):
        whole = read_json(path)
        for job in [whole, *whole.get("parts", [])]:
            took += job["processor_seconds"]
            start += job["processor_seconds_of_start"]
            jobs += 1
    return (
        f"{jobs} jobs, {took / 60:.1f} processor minutes, {start / 60:.1f} of them start "
        f"({100 * start / took:.0f} %)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("steps", nargs="*", metavar="STEP")
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--checkout", type=Path, default=ROOT)
    parser.add_argument("--records", type=Path, help="of a run, such as results/demo")
    options = parser.parse_args()
    if options.records:
        print(of_records(options.records))
        return

    def least(*arguments: str) -> float:
        return min(
            processor_seconds(*arguments, checkout=options.checkout)
            for _ in range(options.repeats)
        )

    jobs = Jobs(options.scale)
    unit = least("-c", "import torch")
    print(f"{'import torch':50} {unit:6.2f} s  1.00", flush=True)
    for step, wildcards in JOBS:
        if options.steps and step not in options.steps:
            continue
        spec = jobs.spec(step)(SimpleNamespace(**wildcards))
        seconds = least("-c", START, f"{STEPS[step][0]}.{step}", spec)
        name = f"{step} {' '.join(wildcards.values()) if wildcards else ''}"
        print(f"{name:50} {seconds:6.2f} s  {seconds / unit:.2f}", flush=True)


if __name__ == "__main__":
    main()
