"""How long each planned job will take, and where that number comes from.

First comes what records tell of a run with the same settings; then what a trial of the job
says, such as `preflight`; then the counted operations, at the rate of the step's own
records, of its trials, or at the rate that the scale states where there are neither.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pipeline_steps.cluster.plan_counts import Counter
from pipeline_steps.cluster.plan_jobs import PlannedJob
from pipeline_steps.cluster.plan_trials import Trial, TrialRate, trial_rates, trials
from pipeline_steps.cluster.work import STEPS
from pipeline_steps.config.scales import Rate
from pipeline_steps.config.schema import Config
from pipeline_steps.core.bookings import bookings
from pipeline_steps.core.card import read_card
from pipeline_steps.core.digest import spec_text
from pipeline_steps.core.files import read_json

SECONDS_TO_START = 30.0  # Python, torch and the data, for a job that was counted
SECONDS_OF_SMALL_JOBS = 60.0  # tables, pages, archives: nothing is counted for them
MEASURED, STATED, UNKNOWN = "measured", "stated", "unknown"
AT_LEAST = "at least"


@dataclass(frozen=True)
class Duration:
    """The seconds that a job will take, if that can be told, and how it is known."""

    seconds: float | None
    basis: str


@dataclass(frozen=True)
class Run:
    """A run that a record tells of, with its operations and its share of GPUs."""

    step: str
    spec: str
    operations: float | None
    seconds: float
    gpus: int


def durations(jobs: Sequence[PlannedJob], config: Config, root: Path) -> list[Duration]:
    """For each job how long it will take."""
    counter = Counter(jobs, config, root)
    runs: dict[str, list[Run]] = defaultdict(list)
    for job in jobs:
        for run in _runs(job, counter, root):
            runs[run.step].append(run)
    counts = [counter.count(job, job.spec) for job in jobs]
    tried = trials(jobs, counter, root)
    known = _Known(config.scale.rate, runs, trial_rates(jobs, tried, counts))
    expected = [
        known.duration(job, count, tried.get(index))
        for index, (job, count) in enumerate(zip(jobs, counts, strict=True))
    ]
    counter.keep()
    return expected


@dataclass(frozen=True)
class _Known:
    """What a duration can be told from."""

    stated: Rate
    runs: Mapping[str, Sequence[Run]]
    """By step."""
    trial_rates: Mapping[str, TrialRate]
    """By step."""

    def duration(
        self, job: PlannedJob, count: float | None, trial: Trial | None
    ) -> Duration:
        """From the best source that there is for this job."""
        return (
            self._of_same_runs(job, count)
            or self._of_trial(trial, count)
            or self._of_operations(job, count)
            or self._of_other_runs(job)
            or self._not_counted(job)
        )

    def _of_same_runs(self, job: PlannedJob, count: float | None) -> Duration | None:
        same = (spec_text(job.spec), count)
        seconds = [
            run.seconds
            for run in self.runs.get(job.step, ())
            if (run.spec, run.operations) == same
        ]
        return Duration(median(seconds), MEASURED) if seconds else None

    def _of_trial(self, trial: Trial | None, count: float | None) -> Duration | None:
        if trial is None:
            return None
        basis = f"from {trial.scale} on {trial.device}"
        # What can't be counted depends on answers: an attack that leaves alone what
        # is misclassified has little to do where hardly anything was learned.
        return Duration(
            trial.seconds, basis if count is not None else f"{AT_LEAST}, {basis}"
        )

    def _of_operations(self, job: PlannedJob, count: float | None) -> Duration | None:
        """At the rate of the step's own records, of its trials, or of the scale."""
        if count is None:
            return None
        devices = max(job.gpus, 1)
        rates = [
            run.operations / run.seconds / run.gpus
            for run in self.runs.get(job.step, ())
            if run.operations
        ]
        if rates:
            basis = f"scaled from {len(rates)} measured"
            return Duration(count / median(rates) / devices, basis)
        if tried := self.trial_rates.get(job.step):
            seconds = count / tried.per_second / devices
            return Duration(tried.start + seconds, tried.basis)
        seconds = count / (self.stated.teraflops * 1e12) / devices
        basis = f"counted at {self.stated.teraflops:g} TFLOP/s ({self.stated.device})"
        return Duration(SECONDS_TO_START + seconds, basis)

    def _of_other_runs(self, job: PlannedJob) -> Duration | None:
        seconds = [run.seconds for run in self.runs.get(job.step, ())]
        return Duration(median(seconds), "like others measured") if seconds else None

    def _not_counted(self, job: PlannedJob) -> Duration:
        if job.gpus or job.step in STEPS:
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
        yield from _run(job, card.spec, booked[0].record, seconds, counter)
        return
    for booking in booked:
        maker, spec = job, dict(card.spec)
        if booking.shard:
            maker = shards[0]
            spec["shard"] = {"number": booking.shard, "of": len(booked) - 1}
        yield from _run(maker, spec, booking.record, booking.seconds, counter)


def _run(
    job: PlannedJob,
    spec: Mapping[str, Any],
    record: Mapping[str, Any],
    seconds: float,
    counter: Counter,
) -> Iterator[Run]:
    """The run, if it was on the kind of device that the job asks for."""
    if seconds > 0 and (record["device"] != "cpu") == bool(job.gpus):
        count = counter.count(job, spec)
        yield Run(job.step, spec_text(spec), count, seconds, max(job.gpus, 1))
