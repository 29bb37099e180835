"""How far a run is: which jobs wait, run, are done and failed, and when it may end.

A run is told as events, a line of JSON each, in `results/.run.jsonl`. Whoever reads them,
from the first, knows what the run itself knows: its terminal and `robust-papers watch`.
"""

import json
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline_steps.cluster.schedule import Task, simulate

# How many seconds of jobs must be done before forecasts are corrected much.
SECONDS_OF_TRUST = 10.0
# A job that is over its time is expected to take so much more of what it took.
OVERTIME = 0.25


class State(StrEnum):
    """Of a job; what waits for a job that failed is blocked."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass
class RunJob:
    """A job of a run, as it was planned, and what became of it."""

    id: int
    rule: str
    step: str
    """The step whose work it does; forecasts are corrected step by step."""
    words: str
    seconds: float
    """What was forecast."""
    needs: list[int] = field(default_factory=list)
    """The jobs before it, by their ids."""
    priority: float = 0.0
    slots: int = 1
    """How many of the run's slots it takes: cores, or one job of a cluster."""
    log: str = ""
    state: State = State.WAITING
    started: float = 0.0
    took: float = 0.0


@dataclass
class Run:
    """All jobs of a run."""

    scale: str = ""
    slots: int = 1
    """How much runs at once."""
    local: bool = True
    process: int = 0
    machine: str = ""
    began: float = 0.0
    clock: float | None = None
    """What its machine's monotonic clock said when it began."""
    ended: float | None = None
    jobs: dict[int, RunJob] = field(default_factory=dict)

    @classmethod
    def planned(cls, event: Mapping[str, Any]) -> "Run":
        """The run whose first event this is."""
        jobs = {job["id"]: RunJob(**job) for job in event["jobs"]}
        clock = event.get("clock")
        facts = {key: event[key] for key in PLAN}
        return cls(**facts, began=event["time"], clock=clock, jobs=jobs)

    def now(self) -> float:
        """The time by a clock that nobody can set, so that what is between two events is a
        duration. Seen from another machine, or once the run is gone, by the calendar."""
        if self.clock is None or not is_alive(self) or not _is_here(self):
            return time.time()
        return self.began + time.monotonic() - self.clock

    def read(self, event: Mapping[str, Any]) -> None:
        """Reads the next event."""
        kind, when = event["event"], event["time"]
        if kind == "ended":
            self.ended = when
            return
        job = self.jobs[event["id"]]
        if kind == "started":
            job.state, job.started = State.RUNNING, when
        elif kind == "stopped":  # by the user, so it is still to do
            job.state = State.WAITING
        else:
            job.state = State.DONE if kind == "finished" else State.FAILED
            job.took = event.get("took", when - job.started)
        self._block()

    def _block(self) -> None:
        """Marks what will not run: a job that failed is before it, and won't run again."""
        for job in self.jobs.values():
            if job.state is State.BLOCKED:
                job.state = State.WAITING
        stopped = {job.id for job in self.of(State.FAILED)}
        for job in self.of(State.WAITING) if stopped else ():
            if self._behind(job) & stopped:
                job.state = State.BLOCKED

    def _behind(self, job: RunJob) -> set[int]:
        behind: set[int] = set()
        waiting = [job.id]
        while waiting:
            new = {*self.jobs[waiting.pop()].needs} - behind
            behind |= new
            waiting += new
        return behind

    def of(self, *states: State) -> list[RunJob]:
        return [job for job in self.jobs.values() if job.state in states]

    @property
    def counts(self) -> Counter[State]:
        return Counter(job.state for job in self.jobs.values())

    def elapsed(self, job: RunJob, now: float) -> float:
        """How long a job runs; on a cluster it may have been submitted and wait yet."""
        return now - job.started if self.local else 0.0

    def used(self, now: float) -> float:
        """Seconds that its jobs took, and on this machine what those that run took so far."""
        ran = sum(job.took for job in self.of(State.DONE, State.FAILED))
        running = self.of(State.RUNNING)
        return ran + sum(self.elapsed(job, now) for job in running)

    # ---- When it ends ------------------------------------------------------------------

    def corrections(self) -> Mapping[str, float]:
        """By step: by how much its jobs take longer than was forecast."""
        done = self.of(State.DONE)
        whole = _correction(done, 1.0)
        steps: dict[str, list[RunJob]] = defaultdict(list)
        for job in done:
            steps[job.step].append(job)
        factors: dict[str, float] = defaultdict(lambda: whole)
        factors.update({step: _correction(jobs, whole) for step, jobs in steps.items()})
        return factors

    def seconds_left(self, now: float, slots: int | None = None) -> float:
        """How long the rest takes, simulated as in a plan."""
        factors = self.corrections()
        rest = self.of(State.RUNNING, State.WAITING)
        places = {job.id: place for place, job in enumerate(rest)}
        tasks = []
        for job in rest:
            seconds, runs = job.seconds * factors[job.step], job.state is State.RUNNING
            if runs:
                elapsed = self.elapsed(job, now)
                seconds = max(seconds - elapsed, OVERTIME * elapsed)
            needs = tuple(places[need] for need in job.needs if need in places)
            priority = math.inf if runs else job.priority
            tasks.append(Task(seconds, job.slots, needs, priority))
        at_once = slots or self.slots
        return simulate(tasks, at_once, window=at_once).makespan

    def share_done(self, now: float) -> float:
        """How much of the work is done, by what it takes and not by the number of jobs."""
        factors = self.corrections()
        done = sum(job.took for job in self.of(State.DONE, State.FAILED))
        whole = done
        for job in self.of(State.WAITING):
            whole += job.seconds * factors[job.step]
        for job in self.of(State.RUNNING):
            elapsed = self.elapsed(job, now)
            done += elapsed
            expected = job.seconds * factors[job.step]
            whole += max(expected, (1 + OVERTIME) * elapsed)
        return done / whole if whole else 1.0


PLAN = ("scale", "slots", "local", "process", "machine")


def _correction(done: Iterable[RunJob], before: float) -> float:
    """What jobs took over what was forecast, held to an earlier factor while they are few."""
    jobs = list(done)
    took = sum(job.took for job in jobs)
    forecast = sum(job.seconds for job in jobs)
    return (took + SECONDS_OF_TRUST * before) / (forecast + SECONDS_OF_TRUST)


class RunFile:
    """The events of a run, in a file that others follow while it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, run: Run, now: float) -> dict[str, Any]:
        """Starts the file anew with what the run will do."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        facts = {key: getattr(run, key) for key in PLAN}
        jobs = [asdict(job) for job in run.jobs.values()]
        plan = {"event": "plan", "time": now, "clock": time.monotonic()}
        return self.add({**plan, **facts, "jobs": jobs})

    def add(self, event: dict[str, Any]) -> dict[str, Any]:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        return event


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """All whole lines; the last one may be on its way."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def read_run(path: Path) -> Run | None:
    """The last run, if there was any."""
    events = read_events(path)
    first = next(events, None)
    if first is None:
        return None
    run = Run.planned(first)
    for event in events:
        run.read(event)
    return run


def is_alive(run: Run) -> bool:
    """Whether its Snakemake may still be running; on another machine this is
    unknown."""
    if run.ended is not None:
        return False
    if not _is_here(run):
        return True
    try:
        os.kill(run.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_here(run: Run) -> bool:
    return run.machine == os.uname().nodename
