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

from pipeline_steps.cluster.operations import COUNTED
from pipeline_steps.cluster.plan_counts import Counter
from pipeline_steps.cluster.plan_jobs import PlannedJob
from pipeline_steps.cluster.plan_trials import trial_rates, trials
from pipeline_steps.config.schema import Config
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
    rate = config.scale.rate
    counts = [counter.count(job, job.spec) for job in jobs]
    tried = trials(jobs, counter, root)
    like = trial_rates(jobs, tried, counts)
    stated = f"counted at {rate.teraflops:g} TFLOP/s ({rate.device})"

    def expected(place: int, job: PlannedJob) -> Duration:
        count, known = counts[place], runs[job.rule]
        wanted = (spec_text(job.spec), count)
        same = [run.seconds for run in known if (run.spec, run.operations) == wanted]
        if same:
            return Duration(median(same), MEASURED)
        if trial := tried.get(place):
            basis = f"from {trial.scale} on {trial.device}"
            # What can't be counted depends on answers: an attack that leaves alone what
            # is misclassified has little to do where hardly anything was learned.
            basis = basis if count is not None else f"{AT_LEAST}, {basis}"
            return Duration(trial.seconds, basis)
        devices = max(job.gpus, 1)
        rates = [r.operations / r.seconds / r.gpus for r in known if r.operations]
        if count is not None and rates:
            told = f"scaled from {len(rates)} measured"
            return Duration(count / median(rates) / devices, told)
        if count is not None and (rates_tried := like.get(job.rule)):
            seconds = count / rates_tried.per_second / devices
            return Duration(rates_tried.start + seconds, rates_tried.basis)
        if count is not None:
            seconds = count / (rate.teraflops * 1e12) / devices
            return Duration(SECONDS_TO_START + seconds, stated)
        if known:
            return Duration(
                median(run.seconds for run in known), "like others measured"
            )
        if job.gpus or job.rule in COUNTED:
            return Duration(None, UNKNOWN)
        return Duration(SECONDS_OF_SMALL_JOBS, STATED)

    told = [expected(place, job) for place, job in enumerate(jobs)]
    counter.keep()
    return told


def _runs(job: PlannedJob, counter: Counter, root: Path) -> Iterator[Run]:
    """What the job's record tells: of the job, and of the shards that it gathered."""
    outputs = job.files.get("outputs", {})
    places = [root / outputs[role][0] for role in ("card", "record") if role in outputs]
    if len(places) < 2 or not all(place.is_file() for place in places):
        return
    spec, record = read_card(places[0]).spec, read_json(places[1])
    parts = record.get("parts", [])
    shards = [other for other in counter.before(job) if "shard" in other.spec]
    for number, part in enumerate(parts if shards else [], 1):
        shard = {**spec, "shard": {"number": number, "of": len(parts)}}
        yield from _run(shards[0], shard, part, part["seconds"], counter)
    own = record["seconds"] - sum(part["seconds"] for part in parts)
    here = {"device": "cpu"} if parts else record
    yield from _run(job, spec, here, own, counter)


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
        yield Run(job.rule, spec_text(spec), count, seconds, max(job.gpus, 1))
