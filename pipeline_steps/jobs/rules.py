"""What the Snakefile uses: the targets and, for each rule, the inputs, outputs,
settings and resources of its jobs by wildcards."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from snakemake.exceptions import MissingRuleException
from snakemake.io import ancient, temp

from pipeline_steps import layout
from pipeline_steps.config.scales import Resources
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.job_file import NO_GPU
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import RuleJob, planner, write_job_file
from pipeline_steps.jobs.wildcards import patterns, patterns_of

Wildcards = Any

# A training job with several GPUs runs as several processes.
TRAINS = ("train_flow", "train_gan", "train_defense")


class Rules:
    """All rules, at one scale."""

    def __init__(self, scale: str, gpus: str = "gpu", root: Path = ROOT) -> None:
        self.scale, self.gpus_as = scale, gpus
        if not re.fullmatch(r"gpu|gres(:\w+)?", gpus):
            raise PipelineError(
                f"config key 'gpus' must be 'gpu', 'gres' or 'gres:MODEL', not '{gpus}'"
            )
        self.planner = planner(scale, root)
        self.config = self.planner.specs.config

    def __getitem__(self, rule: str) -> "Rule":
        return Rule(self, rule)

    def job(self, rule: str, wildcards: Wildcards) -> RuleJob:
        names = (wildcards[name] for name in layout.RULES[rule].wildcards)
        return self.planner.job(rule, *names)

    def describe(self, jobs: Iterable[Any]) -> None:
        """Writes a description of each of these Snakemake jobs, for its step to read."""
        for job in jobs:
            if job.rule.name in layout.RULES:
                write_job_file(self.job(job.rule.name, job.wildcards))

    def refuse_without_gpu(self, jobs: Iterable[Any]) -> None:
        """Stops Snakemake if a job that needs a GPU would run on a CPU, for weeks."""
        names = {job.rule.name for job in jobs} & layout.RULES.keys()
        wanting = sorted(name for name in names if self.planner.granted(name).gpus)
        # torch is imported in another process; here, every forked job would inherit it.
        finds = "import sys, torch; sys.exit(not torch.cuda.is_available())"
        if (
            wanting
            and subprocess.run([sys.executable, "-c", finds], check=False).returncode
        ):
            sys.exit(f"error: {NO_GPU.format(what=', '.join(wanting))}")

    @property
    def unknown_target(self) -> type[MissingRuleException]:
        """Snakemake's exception for a target that no rule makes, with our message."""
        planner = self.planner

        class UnknownTarget(MissingRuleException):
            def __init__(self, file: str) -> None:
                super().__init__(file)
                self.file = str(file)

            def __str__(self) -> str:
                # Inputs that no rule makes raise it too; nobody reads the message then.
                return planner.no_such_target(self.file)

        return UnknownTarget

    @cached_property
    def constraints(self) -> dict[str, str]:
        """For each wildcard a pattern that fits its known names and nothing else."""
        return patterns(self.config)

    @property
    def papers(self) -> dict[str, list[str]]:
        """The tables, figures and calibrations of each paper."""
        return {name: paper.pages for name, paper in self.config.papers.items()}

    def targets(self, paper: str | None = None) -> list[str]:
        """The scale's default files of all papers, or all files of one paper."""
        pages = self.planner.specs.pages
        return [
            self.target(name, page)
            for name in ([paper] if paper else self.config.papers)
            for page in pages.chosen(name, named=paper is not None)
        ]

    def target(self, paper: str, page: str) -> str:
        """A table, a figure or a calibration, at the chosen scale."""
        known, names = self.config.papers[paper], {"scale": self.scale, "paper": paper}
        if page in known.figures:
            return layout.file("make_figure", "png", figure=page, **names)
        if page in known.tables:
            return layout.file("make_table", "csv", table=page, **names)
        return layout.file("calibrate", "csv", calibration=page, **names)

    def all_pages(self) -> list[str]:
        """What covers all papers: the claims and the report."""
        return [
            layout.file("gather_claims", "csv", scale=self.scale),
            layout.file("make_report", "index", scale=self.scale),
        ]


class Rule:
    """The directives of one rule."""

    def __init__(self, rules: Rules, name: str) -> None:
        self.rules, self.name, self.result = rules, name, layout.RULES[name]

    def inputs(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """What a job waits for. The time of a file that has a card is ignored."""
        job = self.rules.job(self.name, wildcards)
        dated = [path for paths in job.parts.values() for path in paths]
        undated: list[str] = []
        for taken in job.inputs.values():
            dated += taken.cards or []
            by_time = taken.cards is None and taken.dated
            (dated if by_time else undated).extend(taken.files or [])
        return {"dated": _unique(dated), "undated": ancient(_unique(undated))}

    @property
    def outputs(self) -> dict[str, str]:
        """Each output by its role, a shard's as temporary."""
        mark = temp if self.result.temporary else str
        return {
            role.replace("{split}_", ""): mark(self._at_scale(place))
            for role, place in self.result.outputs.items()
        }

    @property
    def shell(self) -> str:
        """The line that all rules run (`pipeline_steps/run_job.py`): the name of a result,
        and which settings and code were planned for it.

        Snakemake evaluates it again when the job runs, so a rule names itself there.
        """
        return (
            f"python -m pipeline_steps {{output.{next(iter(self.outputs))}}}"
            " --spec {params.spec} --code {params.code} --minutes {resources.runtime}"
            " --processes {resources.processes} 2> {log}"
        )

    @property
    def log(self) -> str:
        return self._at_scale(self.result.log)

    def _at_scale(self, place: str) -> str:
        # Snakemake finds a file's rule at once if no path begins with a wildcard.
        return place.replace("{scale}", self.rules.scale)

    @property
    def constraints(self) -> dict[str, str]:
        return patterns_of(self.name, self.rules.config)

    @property
    def params(self) -> dict[str, Callable[[Wildcards], str]]:
        """What makes a job run again: its settings, and the code that shapes its result."""
        return {
            "spec": lambda wildcards: self.rules.job(self.name, wildcards).spec_digest,
            "code": lambda wildcards: self.rules.job(self.name, wildcards).code,
        }

    @cached_property
    def granted(self) -> Resources:
        return self.rules.planner.granted(self.name)

    @property
    def threads(self) -> int:
        return self.granted.threads

    @property
    def resources(self) -> dict[str, Any]:
        """Resources by Snakemake's names; time and memory grow with each attempt."""
        gpus, gpus_as = self.granted.gpus, self.rules.gpus_as
        # A cluster that knows GPUs only as `--gres` gets `gpu:1`, or `gpu:a100:1`.
        gres = f"{gpus_as.replace('gres', 'gpu', 1)}:{gpus}" if gpus else ""
        return {
            "mem_mb": lambda wildcards, attempt: attempt * self.granted.memory_mb,
            "runtime": lambda wildcards, attempt: attempt * self.granted.minutes,
            "processes": max(gpus, 1) if self.name in TRAINS else 1,
            **({"gpu": gpus} if gpus_as == "gpu" else {"gres": gres}),
        }


def _unique(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(paths))
