"""SLURM's state of the jobs started from one checkout."""

import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.core.errors import PipelineError

ALIVE = ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED")


@dataclass(frozen=True)
class SlurmJob:
    """A job that SLURM has not ended yet."""

    number: str
    state: str


def jobs_of(folder: Path) -> list[SlurmJob]:
    """The jobs alive that were submitted from this folder by this user."""
    listing = _slurm("squeue", "--noheader", "--me", "--format", "%A|%T|%Z")
    rows = (line.split("|", 2) for line in listing.splitlines() if line.count("|") >= 2)
    return [
        SlurmJob(number, state)
        for number, state, where in rows
        if state in ALIVE and os.path.realpath(where) == os.path.realpath(folder)
    ]


def cancel(jobs: list[SlurmJob]) -> None:
    _slurm("scancel", *(job.number for job in jobs))


def counted(jobs: list[SlurmJob]) -> str:
    """How many are running and pending, in words."""
    states = Counter(job.state.lower() for job in jobs)
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _slurm(command: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [command, *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise PipelineError(
            f"there is no {command} here; start the cluster run on a login node of SLURM"
        ) from None
    if done.returncode != 0:
        said = "; ".join(
            line.strip() for line in done.stderr.splitlines() if line.strip()
        )
        raise PipelineError(
            f"SLURM does not answer here ({said or command}); start the cluster run on a "
            "login node of SLURM"
        )
    return done.stdout
