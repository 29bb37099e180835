"""The plan of a scale: its jobs, how long each takes, and how they last together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from pipeline_steps.cluster.plan_durations import Duration, durations
from pipeline_steps.cluster.plan_jobs import PlannedJob, planned_jobs
from pipeline_steps.cluster.schedule import (
    Schedule,
    Task,
    bound,
    critical_path,
    in_order,
    longest_paths,
    simulate,
)
from pipeline_steps.cluster.snakemake_arguments import SLURM, with_scale
from pipeline_steps.config.load import load_config
from pipeline_steps.config.scales import Scale
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT

GPUS = (1, 8, 64)
NO_PAPER = "no paper by itself"


@dataclass(frozen=True)
class CostPlan:
    """The jobs of a scale, with how long each will take."""

    scale: str
    settings: Scale
    jobs: list[PlannedJob]
    durations: list[Duration]
    window: int
    """How many jobs are submitted at once."""

    @cached_property
    def on_gpus(self) -> bool:
        return any(job.gpus for job in self.jobs)

    @property
    def device(self) -> str:
        """The kind of device that jobs take."""
        return "GPU" if self.on_gpus else "core"

    def devices(self, job: PlannedJob) -> int:
        """How many devices a job takes: GPUs, or a core if no job requests a GPU."""
        return job.gpus if self.on_gpus else 1

    def device_hours(self, indices: Iterable[int]) -> float:
        """The device hours of these jobs; jobs of unknown duration count as zero."""
        return (
            sum(
                (self.durations[index].seconds or 0) * self.devices(self.jobs[index])
                for index in indices
            )
            / 3600
        )

    @cached_property
    def stages(self) -> dict[str, list[int]]:
        """The places of each step's jobs, in the order of the work."""
        depths = [0] * len(self.jobs)
        for index in in_order([job.needs for job in self.jobs]):
            needs = self.jobs[index].needs
            depths[index] = 1 + max((depths[need] for need in needs), default=0)
        steps: dict[str, list[int]] = {}
        for index in sorted(range(len(self.jobs)), key=depths.__getitem__):
            steps.setdefault(self.jobs[index].step, []).append(index)
        return dict(
            sorted(steps.items(), key=lambda step: (depths[step[1][-1]], step[0]))
        )

    @cached_property
    def left(self) -> list[int]:
        """The indices of the jobs that are left to do."""
        return [index for index, job in enumerate(self.jobs) if job.to_do]

    @cached_property
    def tasks(self) -> list[Task]:
        """The jobs that are left, as a scheduler sees them."""
        now = {index: number for number, index in enumerate(self.left)}
        return [
            Task(
                seconds=self.durations[index].seconds or 0,
                gpus=self.devices(self.jobs[index]),
                needs=tuple(now[n] for n in self.jobs[index].needs if n in now),
                priority=self.jobs[index].priority,
            )
            for index in self.left
        ]

    def schedule(self, gpus: int, longest_first: bool = False) -> Schedule:
        """The schedule of what is left on this many GPUs, in the order of the rules'
        priorities."""
        order = longest_paths(self.tasks) if longest_first else None
        return simulate(self.tasks, gpus, order, self.window)

    @cached_property
    def papers(self) -> dict[str, set[int]]:
        """The jobs that each paper needs, followed by those that no paper needs."""
        needed: dict[str, set[int]] = {}
        for index, job in enumerate(self.jobs):
            if paper := job.wildcards.get("paper"):
                needed.setdefault(paper, set()).update(self._behind(index))
        rest = set(range(len(self.jobs))).difference(*needed.values())
        return dict(sorted(needed.items())) | ({NO_PAPER: rest} if rest else {})

    @cached_property
    def pages(self) -> dict[str, set[int]]:
        """The jobs that each table and figure needs, by the name that asks for it."""
        behind = {}
        for index, job in enumerate(self.jobs):
            if page := job.wildcards.get("table") or job.wildcards.get("figure"):
                behind[f"{job.wildcards['paper']}_{page}"] = self._behind(index)
        return behind

    def _behind(self, index: int) -> set[int]:
        behind, waiting = {index}, [index]
        while waiting:
            new = set(self.jobs[waiting.pop()].needs) - behind
            behind |= new
            waiting += new
        return behind

    def critical_path(self) -> list[int]:
        """The jobs on the longest path through what is left."""
        return [self.left[number] for number in critical_path(self.tasks)]

    def bound(self, gpus: int) -> float:
        """A lower bound: no order of what is left can be faster."""
        return bound(self.tasks, gpus)


def make_plan(scale: str, arguments: Sequence[str], root: Path = ROOT) -> CostPlan:
    """The plan of a scale as the slurm profile runs it, or of the targets among arguments."""
    profile = yaml.safe_load((root / SLURM / "config.yaml").read_text())
    line = with_scale(arguments, scale, SLURM, root)
    jobs = planned_jobs(["--profile", SLURM, *line], root)
    names = {job.scale for job in jobs if job.scale}
    if len(names) != 1:
        raise PipelineError(
            "there is nothing to plan; name a table, a figure or a paper"
        )
    config = load_config(name := names.pop(), root)
    known = durations(jobs, config, root)
    return CostPlan(name, config.scale, jobs, known, int(profile.get("jobs", 100)))
