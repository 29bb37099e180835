"""Shows how far a run is, from another terminal: `robust-papers watch`."""

import sys
import time
from collections import Counter
from pathlib import Path

from pipeline_steps import layout
from pipeline_steps.cluster.queue import counted, jobs_of
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.terminal.run_state import Run, State, is_alive, read_run
from pipeline_steps.terminal.screen import sentence
from pipeline_steps.terminal.words import duration

SECONDS_BETWEEN_LOOKS = 5.0
# Of each kind of job, so many are named.
NAMED = 10


def watch(root: Path, once: bool = False) -> None:
    """Refreshes until the run ends; prints once if the output is not a terminal."""
    if once or not sys.stdout.isatty():
        print("\n".join(_look(root)[1]))
        return
    from rich.live import Live
    from rich.text import Text

    alive, lines = _look(root)
    with Live(Text("\n".join(lines)), auto_refresh=False) as live:
        while alive:
            try:
                time.sleep(SECONDS_BETWEEN_LOOKS)
            except KeyboardInterrupt:
                return
            alive, lines = _look(root)
            live.update(Text("\n".join(lines)), refresh=True)


def _look(root: Path) -> tuple[bool, list[str]]:
    """Whether the run goes on, and the lines that describe it."""
    run = read_run(root / layout.RUN)
    if run is None:
        raise PipelineError("nothing has been run in this checkout yet")
    alive = is_alive(run)
    return alive, described(run, root, run.now(), alive)


def described(run: Run, root: Path, now: float, alive: bool) -> list[str]:
    """The state of a run as lines: counts, times, what runs, and what failed."""
    counts = run.counts
    at_once, queue = _at_once(run, root) if alive else (run.slots, [])
    states = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began))
    lines = [
        f"Scale {run.scale}, {len(run.jobs)} jobs since {began}: {states}",
        *queue,
        f"{100 * run.share_done(now):.0f} % of the work, {duration(run.used(now))} used"
        + (f", {_ends(run, now, at_once)}" if alive else ""),
    ]
    if not alive:
        how = "has ended" if run.ended else "is gone; start it again, and it goes on"
        lines.append(f"Its Snakemake {how}.")
    for step, jobs in _by_step(run).items():
        lines.append(f"  {step:<20} {jobs[State.DONE]:5} of {sum(jobs.values())} done")
    running = run.of(State.RUNNING) if alive else []
    sent = "running" if run.local else "submitted"
    lines += [
        f"{sent}: {j.words}, {duration(now - j.started)}" for j in running[:NAMED]
    ]
    if len(running) > NAMED:
        lines.append(f"and {len(running) - NAMED} more")
    for job in run.of(State.FAILED):
        lines += [f"failed: {job.words}: {sentence(job, root)}", f"    {job.log}"]
    return lines


def _ends(run: Run, now: float, at_once: int) -> str:
    """About when it ends, with so many jobs at once."""
    left = run.seconds_left(now, at_once)
    at = time.strftime("%a %H:%M", time.localtime(now + left))
    return f"about {duration(left)} left, until {at}"


def _at_once(run: Run, root: Path) -> tuple[int, list[str]]:
    """How many jobs run at once, on a cluster as many as do now; and what SLURM says."""
    if run.local:
        return run.slots, []
    try:
        jobs = jobs_of(root)
    except PipelineError as error:
        return run.slots, [f"SLURM was not asked: {error}."]
    running = sum(job.state == "RUNNING" for job in jobs)
    says = counted(jobs) or "no job of this checkout"
    return max(running, 1), [f"SLURM has {says}."]


def _by_step(run: Run) -> dict[str, Counter[State]]:
    """How many of each step's jobs are in each state."""
    steps: dict[str, Counter[State]] = {}
    for job in run.jobs.values():
        steps.setdefault(job.step, Counter())[job.state] += 1
    return steps
