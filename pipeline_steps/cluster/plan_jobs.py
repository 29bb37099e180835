"""The jobs of a scale and their dependencies, from a dry run of Snakemake."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_steps.core.bookings import step_of
from pipeline_steps.core.errors import PipelineError, last_words
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import planner
from pipeline_steps.layout import RULES, kinds_of

HEADER = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
FIELD = re.compile(r"    (input|output|wildcards|resources|priority): (.*)$")


@dataclass
class PlannedJob:
    """A job as Snakemake plans it; `needs` are the indices of the jobs before it."""

    rule: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    wildcards: dict[str, str] = field(default_factory=dict)
    gpus: int = 0
    minutes: int = 0
    priority: float = 0.0
    spec: dict[str, Any] = field(default_factory=dict)
    """The spec of its step; empty for a rule that only gathers targets."""
    made: dict[str, Path] = field(default_factory=dict)
    """Its outputs by their roles."""
    needs: tuple[int, ...] = ()
    to_do: bool = False
    scale: str | None = None

    @property
    def name(self) -> str:
        return "/".join(self.wildcards.values())

    @property
    def step(self) -> str:
        """The step whose work it does, as its cost is booked."""
        return step_of(self.rule)


def planned_jobs(arguments: Sequence[str], root: Path = ROOT) -> list[PlannedJob]:
    """Every job of the whole graph; what is done already is known from a second run."""
    with ThreadPoolExecutor() as pool:
        whole, left = pool.map(
            lambda more: _dry_run([*arguments, *more], root),
            (["--forceall"], []),
        )
    jobs = [job for job in read_jobs(whole) if job.outputs]
    to_do = {tuple(job.outputs) for job in read_jobs(left)}
    makers = {file: place for place, job in enumerate(jobs) for file in job.outputs}
    for job in jobs:
        job.needs = tuple({makers[f]: None for f in job.inputs if f in makers})
        job.to_do = tuple(job.outputs) in to_do
    _add_specs(jobs, root)
    return jobs


def _add_specs(jobs: Sequence[PlannedJob], root: Path) -> None:
    """What the steps of the jobs will be told, as the rules work it out."""
    for job in jobs:
        for _, names in kinds_of(job.outputs[0]):
            job.scale = names.get("scale", job.scale)
    scale = next((job.scale for job in jobs if job.scale), None)
    for job in jobs:
        if scale and job.rule in RULES:
            wildcards = (job.wildcards[name] for name in RULES[job.rule].wildcards)
            known = planner(scale, root).job(job.rule, *wildcards)
            job.spec = known.spec
            job.made = {role: Path(path) for role, path in known.outputs.items()}


def _dry_run(arguments: Sequence[str], root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PipelineError(last_words(done.stdout + done.stderr))
    return done.stdout + done.stderr


def read_jobs(text: str) -> Iterator[PlannedJob]:
    """The jobs that a dry run tells of, in its order."""
    job: PlannedJob | None = None
    for line in text.splitlines():
        if header := HEADER.match(line):
            if job:
                yield job
            job = PlannedJob(header[1])
        elif job and (field := FIELD.match(line)):
            _read_field(job, field[1], field[2])
        elif not line:
            if job:
                yield job
            job = None
    if job:
        yield job


def _read_field(job: PlannedJob, name: str, value: str) -> None:
    if name == "input":
        job.inputs = value.split(", ")
    elif name == "output":
        job.outputs = value.split(", ")
    elif name == "wildcards":
        job.wildcards = dict(pair.split("=", 1) for pair in value.split(", "))
    elif name == "priority":
        job.priority = float(value)
    else:
        gpus = re.search(r"\b(?:gpu=|gres=gpu:(?:\w+:)?)([1-9]\d*)", value)
        limit = re.search(r"\bruntime=(\d+)", value)
        job.gpus = int(gpus[1]) if gpus else 0
        job.minutes = int(limit[1]) if limit else 0
