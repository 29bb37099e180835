"""Follows a Snakemake run by its log: saves its events, and shows them.

Snakemake's own log goes to its file as ever. On the screen each job gets one line in
words, and the end a summary. Snakemake has plugins for that, too, but a plugin is
installed, and would bring the installed copy of this package to a checkout that has its
own code; so the Snakefile lets its own code listen.
"""

import logging
import os
import time
import traceback
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler, logger

from pipeline_steps import layout
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.rules import Rules
from pipeline_steps.terminal.forecast import Forecast, step_of
from pipeline_steps.terminal.run_state import Run, RunFile, RunJob
from pipeline_steps.terminal.screen import Screen, sentence
from pipeline_steps.terminal.words import Words, outcome

# Snakemake's messages before the first job that nobody has to read.
PRELUDE = (
    "Workflow defines that rule ",
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Using shell: ",
    "Conda environments: ignored",
)
PRELUDE_EVENTS = ("workflow_started", "resources_info", "run_info")
# Its messages about failures, which have lines of their own here.
SAID_ALREADY = ("Exiting because a job execution failed", "At least one job did not")


class Follower(logging.Handler):
    """Follows a run from the moment its first job starts."""

    def __init__(self, rules: Rules, root: Path = ROOT) -> None:
        super().__init__()
        self.rules, self.root = rules, root
        self.run, self.file = Run(), RunFile(root / layout.RUN)
        self.cards: dict[int, Path] = {}
        self.shows = False
        """Whether it takes the place of what Snakemake would show."""
        self.screen: Screen | None = None
        self.held: list[logging.LogRecord] = []

    @classmethod
    def attach(cls, workflow: Any, rules: Rules) -> "Follower | None":
        """Attaches to Snakemake's log if it runs jobs and no other logger was
        requested."""
        options = workflow.output_settings
        if not workflow.is_main_process or options.dryrun or options.debug_dag:
            return None
        follower = cls(rules)
        if not (options.verbose or options.quiet):
            for handler in _of_snakemake():  # none where `--logger` names a plugin
                handler.addFilter(follower.lets_pass)
                follower.shows = True
        logger.addHandler(follower)
        return follower

    def lets_pass(self, record: logging.LogRecord) -> bool:
        """Whether Snakemake shows this itself."""
        if self.screen:
            return False
        if self.run.jobs or not _is_prelude(record):
            return True
        self.held.append(record)
        return False

    def begin(self, workflow: Any) -> None:
        """Called when the jobs are known and the first has not started."""
        try:
            self._begin(workflow)
        except Exception as error:  # showing a run must never end it
            self.run, self.screen = Run(), None
            self._give_back()
            logger.warning(f"This run can't be followed: {error!r}")

    def _begin(self, workflow: Any) -> None:
        if workflow.touch:
            return self._give_back()
        home = _home([job.wildcards_dict for job in workflow.dag.needrun_jobs()])
        run = Run(
            scale=self.rules.scale,
            slots=(workflow.cores if workflow.local_exec else workflow.nodes) or 1,
            local=workflow.local_exec,
            process=os.getpid(),
            machine=os.uname().nodename,
            jobs={job.id: job for job in self._planned(workflow, home)},
        )
        self.run = Run.planned(self.file.begin(run, time.time()))
        # `robust-papers cluster` reads Snakemake's own words.
        if not (self.shows and self.run.local):
            return self._give_back()
        self.screen = Screen(self.run, self.root, workflow.logger_manager.get_logfile())
        self.screen.begin(home and self.rules.config.names.dataset(home))

    def _planned(self, workflow: Any, home: str) -> list[RunJob]:
        forecast, words = (
            Forecast(self.rules.config, self.root),
            Words(self.rules.config),
        )
        dag = workflow.dag
        jobs = [job for job in dag.needrun_jobs() if job.rule.name in layout.RULES]
        ids = {job: dag.jobid(job) for job in jobs}
        planned = []
        for job in jobs:
            ours = self.rules.job(job.rule.name, job.wildcards)
            if card := ours.outputs.get("card"):
                self.cards[ids[job]] = self.root / card
            planned.append(
                RunJob(
                    id=ids[job],
                    rule=job.rule.name,
                    step=step_of(ours),
                    words=words.job(ours, home),
                    seconds=round(forecast.seconds(ours), 3),
                    needs=[ids[need] for need in dag.dependencies[job] if need in ids],
                    priority=float(job.priority),
                    slots=job.threads if workflow.local_exec else 1,
                    log=next(map(str, job.log), ""),
                )
            )
        return planned

    def _give_back(self) -> None:
        """Lets Snakemake print everything again, starting with what was held back."""
        for handler in _of_snakemake():
            handler.removeFilter(self.lets_pass)
            for record in self.held:
                handler.handle(record)
        self.held.clear()

    # ---- While it runs -----------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        """Reads one record; if anything is wrong with it, the run still goes on."""
        if not self.run.jobs:
            return
        try:
            self._read(record)
        except Exception:
            self.handleError(record)

    def _read(self, record: Any) -> None:
        event = getattr(record, "event", None)
        if event == "job_info":
            self._tell("started", record.jobid)
        elif event == "job_finished":
            self._tell("finished", record.job_id)
        elif event == "job_error":
            self._failed(record.jobid)
        elif event == "group_error":
            for job in record.job_error_info:
                self._failed(job["jobid"])
        elif self.screen and record.levelno >= logging.WARNING:
            said = record.getMessage()
            if event is None and not said.startswith(SAID_ALREADY):
                self.screen.say(said)

    def _failed(self, number: int) -> None:
        """By itself, or because the user ends the run."""
        job = self.run.jobs.get(number)
        stopped = job is not None and sentence(job, self.root) == "KeyboardInterrupt"
        self._tell("stopped" if stopped else "failed", number)

    def _tell(self, kind: str, number: int) -> None:
        job = self.run.jobs.get(number)
        if job is None:  # the rule that only gathers targets
            return
        event = {"event": kind, "time": round(self.run.now(), 3), "id": number}
        if kind == "finished" and not self.run.local:
            event |= self._took(number)
        self.run.read(self.file.add(event))
        if self.screen is None:
            return
        if kind == "finished":
            card = self.cards.get(number)
            self.screen.finished(job, outcome(job.rule, card) if card else "")
        else:
            self.screen.changed(job)

    def _took(self, number: int) -> dict[str, float]:
        """The run time of a cluster job, without its wait in the queue."""
        card = self.cards.get(number)
        record = card and card.with_suffix(".record.json")
        if record is None or not record.is_file():
            return {}
        from pipeline_steps.core.files import read_json

        return {"took": float(read_json(record)["seconds"])}

    def close(self) -> None:
        """Snakemake ends, whatever the reason."""
        super().close()
        if not self.run.jobs or self.run.ended is not None:
            return
        try:
            ended = {"event": "ended", "time": round(self.run.now(), 3)}
            self.run.read(self.file.add(ended))
            if self.screen:
                self.screen.end()
        except Exception:  # which Snakemake would pass over in silence
            traceback.print_exc()


def _of_snakemake() -> list[logging.Handler]:
    """The handler that prints Snakemake's own messages."""
    return [h for h in logger.handlers if isinstance(h, ColorizingTextHandler)]


def _is_prelude(record: logging.LogRecord) -> bool:
    if getattr(record, "event", None) in PRELUDE_EVENTS:
        return True
    return str(record.msg).startswith(PRELUDE)


def _home(wildcards: list[dict[str, str]]) -> str:
    """The data set that most jobs are of, which needs no mention."""
    datasets = [names["dataset"] for names in wildcards if "dataset" in names]
    return max(sorted(set(datasets)), key=datasets.count, default="")
