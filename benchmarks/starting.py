"""What each step's start takes, against `python -c "import torch"`.

python -m benchmarks.starting [STEP ...] [--scale demo] [--repeats 3] [--checkout FOLDER]
python -m benchmarks.starting --records results/demo
python -m benchmarks.starting --commands

A start is all that a job does before its own work: Python, the step's modules and those
that its spec names, the check of its spec, and the digest of its code. A few jobs stand
for all. Each time is the least of the repeats, in seconds of a processor, with one
thread. `--checkout` measures the steps of another checkout on this one's specs.

Times without kept bytecode, as under PYTHONDONTWRITEBYTECODE, are twice as long: each
start compiles whatever it imports.

`--commands` measures `--help` of each subcommand of `robust-papers` instead.

`--records` adds up what the jobs of a finished run took, and how much of that was start.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

from pipeline_steps.cli import app
from pipeline_steps.core.digest import spec_text
from pipeline_steps.core.files import read_json
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import planner

START = """
import json, sys
from importlib import import_module
from typing import get_args, get_type_hints
name, spec = sys.argv[1], json.loads(sys.argv[2])
step = import_module("pipeline_steps." + name)
(spec_type,) = get_args(get_type_hints(step.main)["job"])
spec = spec_type.model_validate(spec).model_dump(mode="json")
from pipeline_steps.core import digest, registry
code = digest.code(name, spec)
# What a step imports late: all that is its code, but where it only gathers.
for module in code.modules:
    if "--gathers" not in sys.argv or "gather" in module:
        import_module(module)
if "--gathers" not in sys.argv:
    for entry in registry.entries(spec):
        registry.load(*entry)
"""

JOBS = (
    ("fetch_dataset", "digits"),
    ("build_dataset", "digits"),
    ("build_dataset", "cifar10"),
    ("show_dataset", "digits"),
    ("corrupt_dataset", "digits", "fog"),
    ("corrupt_dataset", "digits", "shot_noise"),
    ("train_flow", "digits", "glow"),
    ("train_gan", "digits", "stylegan"),
    ("project_shard", "digits", "glow", "test", "1-of-2"),
    ("gather_manifold", "digits", "glow", "test"),
    ("train_defense", "digits", "ijsat"),
    ("attack_defense", "digits", "ijsat", "clean"),
    ("attack_defense", "digits", "ijsat", "autoattack"),
    ("attack_snapshots", "digits", "ijsat", "pgd20"),
    ("explain_defense", "digits", "ijsat", "pgd20"),
    ("gather_verdicts", "digits", "ijsat", "jsa50"),
    ("make_table", "ijsat", "table1"),
    ("make_figure", "ijsat", "figure1"),
    ("make_figure", "ijsat", "figure4"),
    ("make_figure", "atld", "figure1"),
    ("check_claims", "ijsat"),
    ("gather_claims",),
    ("make_report",),
)


def processor_seconds(*arguments: str, checkout: Path) -> float:
    """What a fresh interpreter takes, of its own and of the system's time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def subcommands() -> list[str]:
    """Those of `robust-papers`, in the order of its help."""
    names = (
        c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands
    )
    return list(names)


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
    parser.add_argument("--commands", action="store_true")
    options = parser.parse_args()
    if options.records:
        print(of_records(options.records))
        return

    def least(*arguments: str) -> float:
        return min(
            processor_seconds(*arguments, checkout=options.checkout)
            for _ in range(options.repeats)
        )

    unit = least("-c", "import torch")
    print(f"{'import torch':50} {unit:6.2f} s  1.00", flush=True)
    for name in subcommands() if options.commands else ():
        seconds = least("-m", "pipeline_steps.cli", name, "--help")
        shown = f"robust-papers {name} --help"
        print(f"{shown:50} {seconds:6.2f} s  {seconds / unit:.2f}", flush=True)
    if options.commands:
        return
    for rule, *names in JOBS:
        if options.steps and rule not in options.steps:
            continue
        job = planner(options.scale).job(rule, *names)
        gathers = ["--gathers"] if job.result.gathers else []
        seconds = least("-c", START, job.result.step, spec_text(job.spec), *gathers)
        shown = " ".join([rule, *names])
        print(f"{shown:50} {seconds:6.2f} s  {seconds / unit:.2f}", flush=True)


if __name__ == "__main__":
    main()
