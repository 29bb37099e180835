"""How long each planned job will take, and where that number comes from.

First comes what records tell of a run with the same settings; then what a trial of the job
says, such as `preflight`; then the counted operations, at the rate of the step's own
records, of its trials, or at the rate that the scale states where there are neither.

To count takes a second for each job, so nothing is counted before it is needed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from pipeline_steps.cluster.plan_counts import COUNTED, Counter
from pipeline_steps.cluster.plan_jobs import PlannedJob
from pipeline_steps.cluster.plan_trials import Trial, TrialRate, trial_rates, trials
from pipeline_steps.config.scales import Rate
from pipeline_steps.config.schema import Config
from pipeline_steps.core.bookings import bookings
from pipeline_steps.core.card import read_card
from pipeline_steps.core.files import read_json

SECONDS_TO_START = 30.0  # Python, torch and the data, for a job that was counted
SECONDS_OF_SMALL_JOBS = 60.0  # tables, pages, archives: nothing is counted for them
MEASURED, STATED, UNKNOWN = "measured", "stated", "unknown"
AT_LEAST = "at least"


@dataclass(frozen=True)
class Duration:
    """The seconds that a job will take, if known, and where the number comes from."""

    seconds: float | None
    basis: str


@dataclass(frozen=True)
class Run:
    """A run, as its record describes it."""

    job: PlannedJob
    """The job that it was, or one like it."""
    spec: Mapping[str, Any]
    """The settings with which it ran."""
    seconds: float

    @property
    def gpus(self) -> int:
        """How many it had, where one core counts as one."""
        return max(self.job.gpus, 1)


def durations(jobs: Sequence[PlannedJob], config: Config, root: Path) -> list[Duration]:
    """For each job how long it will take."""
    counter = Counter(jobs, config, root)
    runs: dict[str, list[Run]] = defaultdict(list)
    for job in jobs:
        for run in _runs(job, counter, root):
            runs[run.job.step].append(run)
    known = _Known(counter, config.scale.rate, runs, trials(jobs, counter, root))
    expected = [known.duration(index) for index in range(len(jobs))]
    counter.keep()
    return expected


@dataclass(frozen=True)
class _Known:
    """The sources of durations."""

    counter: Counter
    stated: Rate
    runs: Mapping[str, Sequence[Run]]
    """By step."""
    tried: Mapping[int, Trial]
    """By the places of jobs."""
    _known_rates: dict[str, Sequence[float]] = field(default_factory=dict)

    def duration(self, index: int) -> Duration:
        """From the best source that there is for this job."""
        job = self.counter.jobs[index]
        return (
            self._of_same_runs(job)
            or self._of_trial(index)
            or self._of_operations(job)
            or self._of_other_runs(job)
            or self._not_counted(job)
        )

    def _of_same_runs(self, job: PlannedJob) -> Duration | None:
        seconds = self._seconds.get((job.step, self.counter.question(job, job.spec)))
        return Duration(median(seconds), MEASURED) if seconds else None

    @cached_property
    def _seconds(self) -> Mapping[tuple[str, str], Sequence[float]]:
        """Of the runs that were the same work, by their step and what makes them so."""
        same: dict[tuple[str, str], list[float]] = defaultdict(list)
        for step, runs in self.runs.items():
            for run in runs:
                key = (step, self.counter.question(run.job, run.spec))
                same[key].append(run.seconds)
        return same

    def _of_trial(self, index: int) -> Duration | None:
        trial, job = self.tried.get(index), self.counter.jobs[index]
        if trial is None:
            return None
        basis = f"from {trial.scale} on {trial.device}"
        # What can't be counted depends on answers: an attack that leaves alone what
        # is misclassified has little to do where hardly anything was learned.
        counted = self.counter.count(job, job.spec) is not None
        return Duration(trial.seconds, basis if counted else f"{AT_LEAST}, {basis}")

    def _of_operations(self, job: PlannedJob) -> Duration | None:
        """At the rate of the step's own records, of its trials, or of the scale."""
        count = self.counter.count(job, job.spec)
        if count is None:
            return None
        devices = max(job.gpus, 1)
        if rates := self._rates(job.step):
            basis = f"scaled from {len(rates)} measured"
            return Duration(count / median(rates) / devices, basis)
        if tried := self._trial_rates.get(job.step):
            seconds = count / tried.per_second / devices
            return Duration(tried.start + seconds, tried.basis)
        seconds = count / (self.stated.teraflops * 1e12) / devices
        basis = f"counted at {self.stated.teraflops:g} TFLOP/s ({self.stated.device})"
        return Duration(SECONDS_TO_START + seconds, basis)

    def _rates(self, step: str) -> Sequence[float]:
        """Operations per second of each run of a step, of one GPU or one core."""
        if step not in self._known_rates:
            counted = (
                (self.counter.count(run.job, run.spec), run)
                for run in self.runs.get(step, ())
            )
            self._known_rates[step] = [
                count / run.seconds / run.gpus for count, run in counted if count
            ]
        return self._known_rates[step]

    @cached_property
    def _trial_rates(self) -> Mapping[str, TrialRate]:
        """By step."""
        jobs = self.counter.jobs
        counts = {i: self.counter.count(jobs[i], jobs[i].spec) for i in self.tried}
        return trial_rates(jobs, self.tried, counts)

    def _of_other_runs(self, job: PlannedJob) -> Duration | None:
        seconds = [run.seconds for run in self.runs.get(job.step, ())]
        return Duration(median(seconds), "like others measured") if seconds else None

    def _not_counted(self, job: PlannedJob) -> Duration:
        if job.gpus or job.step in COUNTED:
            return Duration(None, UNKNOWN)
        return Duration(SECONDS_OF_SMALL_JOBS, STATED)


def _runs(job: PlannedJob, counter: Counter, root: Path) -> Iterator[Run]:
    """What the job's record tells: of the job, and of the shards that it gathered."""
    files = [root / job.made[role] for role in ("card", "record") if role in job.made]
    if len(files) < 2 or not all(file.is_file() for file in files):
        return
    card, record = read_card(files[0]), read_json(files[1])
    booked = bookings(card.step, record)
    shards = [other for other in counter.before(job) if "shard" in other.spec]
    if len(booked) > 1 and not shards:  # it was made in shards, and is one job now
        seconds = sum(booking.seconds for booking in booked)
        yield from _run(job, card.spec, booked[0].record, seconds)
        return
    for booking in booked:
        maker, spec = job, dict(card.spec)
        if booking.shard:
            maker = shards[0]
            spec["shard"] = {"number": booking.shard, "of": len(booked) - 1}
        yield from _run(maker, spec, booking.record, booking.seconds)


def _run(
    job: PlannedJob,
    spec: Mapping[str, Any],
    record: Mapping[str, Any],
    seconds: float,
) -> Iterator[Run]:
    """The run, if it was on the kind of device that the job asks for."""
    if seconds > 0 and (record["device"] != "cpu") == bool(job.gpus):
        yield Run(job, spec, seconds)
