"""How long each planned job will take, and where that number comes from.

First comes what records tell of a run with the same settings; then the counted
operations, at the rate of the step's own records, or at the rate that the scale states
where there are none. Counts are kept, for to count all jobs of a large scale takes minutes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from pipeline_steps.cluster.operations import COUNTED, operations
from pipeline_steps.cluster.plan_jobs import PlannedJob
from pipeline_steps.config.whole import Config
from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.card import read_card
from pipeline_steps.core.digest import code, spec_text, text_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, write_json
from pipeline_steps.core.progress import say

SECONDS_TO_START = 30.0  # Python, torch and the data, for a job that was counted
SECONDS_OF_SMALL_JOBS = 60.0  # tables, pages, archives: nothing is counted for them
MEASURED, STATED, UNKNOWN = "measured", "stated", "unknown"


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
    counter = _Counter(jobs, config, root)
    runs: dict[str, list[Run]] = defaultdict(list)
    for job in jobs:
        for run in _runs(job, counter, root):
            runs[run.step].append(run)
    rate = config.scale.rate
    stated = f"counted at {rate.teraflops:g} TFLOP/s ({rate.device})"

    def expected(job: PlannedJob) -> Duration:
        count, known = counter.count(job, job.spec), runs[job.rule]
        wanted = (spec_text(job.spec), count)
        same = [run.seconds for run in known if (run.spec, run.operations) == wanted]
        if same:
            return Duration(median(same), MEASURED)
        devices = max(job.gpus, 1)
        rates = [r.operations / r.seconds / r.gpus for r in known if r.operations]
        if count is not None and rates:
            told = f"scaled from {len(rates)} measured"
            return Duration(count / median(rates) / devices, told)
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

    told = [expected(job) for job in jobs]
    counter.keep()
    return told


def _runs(job: PlannedJob, counter: "_Counter", root: Path) -> Iterator[Run]:
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
    counter: "_Counter",
) -> Iterator[Run]:
    """The run, if it was on the kind of device that the job asks for."""
    if seconds > 0 and (record["device"] != "cpu") == bool(job.gpus):
        count = counter.count(job, spec)
        yield Run(job.rule, spec_text(spec), count, seconds, max(job.gpus, 1))


@dataclass
class _Counter:
    """Counts operations, with the sizes of the data sets and the jobs before."""

    jobs: Sequence[PlannedJob]
    config: Config
    root: Path

    @property
    def file(self) -> Path:
        return self.root / "results" / self.config.name / "plan" / "operations.json"

    @cached_property
    def known(self) -> dict[str, float]:
        """By all that a count depends on; from the last plan too."""
        return read_json(self.file) if self.file.is_file() else {}

    def keep(self) -> None:
        if self.known:
            write_json(self.file, self.known)

    def before(self, job: PlannedJob) -> list[PlannedJob]:
        return [self.jobs[place] for place in job.needs]

    def count(self, job: PlannedJob, spec: Mapping[str, Any]) -> float | None:
        """Nothing where the job has none that count, or cannot run on pretence."""
        if job.rule not in COUNTED:
            return None
        try:
            return self._count(job, spec)
        except Exception as error:  # whatever a new threat or recipe may do
            why = next(iter(str(error).splitlines()), type(error).__name__)
            say(f"{job.rule} {job.name} is not counted: {why}")
            return None

    def _count(self, job: PlannedJob, spec: Mapping[str, Any]) -> float:
        trained = [other for other in self.before(job) if "snapshots" in other.spec]
        before = trained[0].spec if trained else {}
        train, test = self._images(job, "train"), self._images(job, "test")
        asked = (job.rule, spec, train, test, before)
        key = text_digest(spec_text([*asked, code("cluster.operations", spec).digest]))
        if key not in self.known:
            self.known[key] = operations(*asked)
        return self.known[key]

    def _images(self, job: PlannedJob, split: str) -> int:
        """How many images of a split the job takes."""
        ending = f"/{split}.images.npy"
        path = next((file for file in job.inputs if file.endswith(ending)), None)
        if path is None:
            return 0
        if (self.root / path).is_file():
            return len(read_array(self.root / path))
        name = job.spec["dataset"]["name"]
        stated: int | None = getattr(self.config.datasets[name], f"{split}_images")
        if stated is None:
            raise PipelineError(
                f"{path} is not built, and `{split}_images` of {name} is not stated in "
                "workflow/config/datasets.yaml"
            )
        return stated
