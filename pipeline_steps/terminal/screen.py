"""What a run prints on the terminal: a line for each job, its progress, and a summary.

In a pipe it is plain lines without a bar.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_steps import layout
from pipeline_steps.cluster.summary import Failure
from pipeline_steps.terminal.run_state import Run, RunJob, State
from pipeline_steps.terminal.words import duration

if TYPE_CHECKING:
    from rich.progress import Progress

# Simulating the rest takes a moment, so it is not done after every job.
SECONDS_BETWEEN_LOOKS = 2.0
# How many running jobs are named.
NAMED = 2

# What jobs made, by their rules; one, and several.
MADE = {
    "train_flow": ("generator trained", "generators trained"),
    "train_gan": ("generator trained", "generators trained"),
    "train_defense": ("defense trained", "defenses trained"),
    "attack_defense": ("evaluation", "evaluations"),
    "gather_verdicts": ("evaluation", "evaluations"),
    "make_table": ("table", "tables"),
    "make_figure": ("figure", "figures"),
    "calibrate": ("calibration", "calibrations"),
}


class Screen:
    """The terminal of one run."""

    def __init__(self, run: Run, root: Path, logs: Sequence[str] = ()) -> None:
        self.run, self.root, self.logs = run, root, logs
        self.looked, self.left = 0.0, 0.0
        self.bar: Progress | None = None

    def begin(self, home: str) -> None:
        """Says what is ahead."""
        self.look()
        cores = f"{self.run.slots} core{'s' * (self.run.slots != 1)}"
        line = (
            f"{len(self.run.jobs)} jobs at scale {self.run.scale}: "
            f"about {duration(self.left)} on {cores}"
        )
        self.say(line + (f"; data set {home} where none is named" if home else ""))
        if sys.stderr.isatty():
            self.bar = _live_bar()
            self.task = self.bar.add_task("", total=1.0, text="", running="")
            self.bar.start()

    def say(self, line: str, style: str = "") -> None:
        """One line, above the bar if there is one."""
        if self.bar:
            self.bar.console.print(line, style=style, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def look(self) -> None:
        """Simulates the rest again, if the last time was a while ago."""
        if (now := self.run.now()) - self.looked >= SECONDS_BETWEEN_LOOKS:
            self.left, self.looked = self.run.seconds_left(now), now

    def finished(self, job: RunJob, outcome: str) -> None:
        """The one line of a job."""
        self.look()
        parts = [part for part in (outcome, duration(job.took)) if part]
        line = f"{job.words}: {', '.join(parts)}"
        self.say(line if self.bar else f"{self._so_far()}  {line}")
        self._advance()

    def changed(self, job: RunJob) -> None:
        """A job started, or failed."""
        self.look()
        if job.state is State.FAILED:
            self.say(f"FAILED: {self._failure(job)}", style="bold red")
        self._advance()

    def _so_far(self) -> str:
        ended = len(self.run.of(State.DONE, State.FAILED))
        total = len(self.run.jobs)
        return f"[{ended:{len(str(total))}}/{total}, {duration(self.left)} left]"

    def _advance(self) -> None:
        if self.bar is None:
            return
        runs = [job.words for job in self.run.of(State.RUNNING)]
        more = f" and {len(runs) - NAMED} more" if len(runs) > NAMED else ""
        self.bar.update(
            self.task,
            completed=self.run.share_done(self.run.now()),
            text=self._so_far()[1:-1],
            running="; ".join(runs[:NAMED]) + more,
        )

    def _failure(self, job: RunJob) -> str:
        return f"{job.words}: {sentence(job, self.root)}"

    def end(self) -> None:
        """The last lines: what failed, what was made, and where to look."""
        if self.bar:
            self.bar.stop()
            self.bar = None
        for line in summary(self.run, self.root, self.logs):
            self.say(line)


def sentence(job: RunJob, root: Path) -> str:
    """What a job said of its failure."""
    return Failure(job.rule, job.log).sentence(root)


def summary(run: Run, root: Path, logs: Sequence[str] = ()) -> list[str]:
    """What came of a run: what failed first, each with its sentence."""
    lines = []
    for job in run.of(State.FAILED):
        lines.append(f"failed: {job.words}: {sentence(job, root)}")
        lines.append(f"    its log is {job.log}")
    counts = run.counts
    left = len(run.jobs) - counts[State.DONE] - counts[State.FAILED]
    took = duration((run.ended or run.now()) - run.began)
    lines.append(
        f"{counts[State.DONE]} jobs done, {counts[State.FAILED]} failed, {left} left, "
        f"in {took}{made(run)}"
    )
    if counts[State.BLOCKED]:
        lines.append(f"{counts[State.BLOCKED]} of those left need what failed")
    elif left:
        lines.append("the same command goes on where it stopped")
    index = Path(layout.file("make_report", "index", scale=run.scale))
    if any(job.rule == "make_report" for job in run.of(State.DONE)):
        lines.append(f"Open {index}: all papers, and where each number comes from.")
    lines += [f"All that Snakemake said: {_short(Path(log), root)}" for log in logs]
    return lines


def made(run: Run) -> str:
    """`: 9 defenses trained, 4 tables`."""
    counts = Counter(MADE[j.rule] for j in run.of(State.DONE) if j.rule in MADE)
    words = [f"{n} {several if n > 1 else one}" for (one, several), n in counts.items()]
    return f": {', '.join(words)}" if words else ""


def _short(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def _live_bar() -> "Progress":
    # Imported here, because a run in a pipe never shows a bar.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}"),
        TextColumn("{task.fields[running]}", style="dim"),
        console=Console(stderr=True),
        refresh_per_second=2,
    )
