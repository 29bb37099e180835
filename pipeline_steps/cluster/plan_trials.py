"""Durations from trials of jobs: a scale such as `preflight` did a little of each.

A record says how many units of work a job did and how long each took, which gives the
time of all units; the rest of its seconds is what the job needs once.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pipeline_steps.cluster.plan_counts import Counter
from pipeline_steps.cluster.plan_jobs import PlannedJob
from pipeline_steps.config.load import trial_scales
from pipeline_steps.core.card import read_card
from pipeline_steps.core.files import read_json
from pipeline_steps.layout import scale_folder

# A trial may differ from the job in how much of the work it is, and in nothing else.
HOW_MUCH = ("steps", "images", "shard", "seed")


@dataclass(frozen=True)
class Trial:
    """How long a job will take, from a trial of it."""

    scale: str
    device: str
    start: float
    """Seconds that it takes once, however much work there is."""
    work: float
    """Seconds of all its units of work."""

    @property
    def seconds(self) -> float:
        return self.start + self.work


@dataclass(frozen=True)
class TrialRate:
    """How fast trials of a step's other jobs were."""

    start: float
    per_second: float
    """Operations of one GPU, or of one core."""
    basis: str


def trials(
    jobs: Sequence[PlannedJob], counter: Counter, root: Path
) -> dict[int, Trial]:
    """By the places of jobs, what trials on the kind of device that they want say."""
    tried: dict[int, Trial] = {}
    for scale in trial_scales(root):
        if scale == counter.config.name:
            continue
        for number in range(len(jobs)):
            for index, spec, record in _records(number, jobs, scale, counter, root):
                if trial := _trial(jobs[index], spec, record, scale, counter):
                    tried.setdefault(index, trial)
    return tried


def trial_rates(
    jobs: Sequence[PlannedJob],
    tried: Mapping[int, Trial],
    counts: Mapping[int, float | None],
) -> dict[str, TrialRate]:
    """By step, what the trials of its jobs say of those that were not tried."""
    by_step: dict[str, list[int]] = defaultdict(list)
    for index, trial in tried.items():
        if trial.work and counts[index]:
            by_step[jobs[index].step].append(index)

    def per_second(index: int) -> float:
        count, devices = counts[index] or 0.0, max(jobs[index].gpus, 1)
        return count / tried[index].work / devices

    return {
        step: TrialRate(
            median(tried[index].start for index in indices),
            median(map(per_second, indices)),
            f"scaled from {len(indices)} of {tried[indices[0]].scale}",
        )
        for step, indices in by_step.items()
    }


def _records(
    index: int, jobs: Sequence[PlannedJob], scale: str, counter: Counter, root: Path
) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """The trial's spec and record of a job, or of each shard that it gathers."""
    job = jobs[index]
    own = scale_folder(counter.config.name)
    files = [job.made[role] for role in ("card", "record") if role in job.made]
    if len(files) < 2 or not all(file.is_relative_to(own) for file in files):
        return
    card, record = (
        root / scale_folder(scale) / re.sub(r"@\d+", "", str(file.relative_to(own)))
        for file in files
    )
    if not (card.is_file() and record.is_file()):
        return
    spec, recorded = read_card(card).spec, read_json(record)
    # Either of them may be in shards, and the other not.
    tried = next(iter(recorded.get("parts", [])), recorded)
    shards = [need for need in job.needs if "shard" in jobs[need].spec]
    for need in shards or [index]:
        yield need, spec, tried


def _trial(
    job: PlannedJob,
    spec: Mapping[str, Any],
    record: Mapping[str, Any],
    scale: str,
    counter: Counter,
) -> Trial | None:
    """What a record says of a job, if it is of the same work on the same devices."""
    pace = record.get("pace")
    here = (record["device"] != "cpu", record.get("processes", 1))
    if not pace or here != (bool(job.gpus), max(job.gpus, 1)):
        return None
    units = counter.units(job) if _but_how_much(job.spec) == _but_how_much(spec) else {}
    if not units or not units.keys() <= pace.keys():
        return None
    done = sum(unit["done"] * unit["seconds_each"] for unit in pace.values())
    work = sum(count * pace[unit]["seconds_each"] for unit, count in units.items())
    return Trial(scale, record["device"], max(record["seconds"] - done, 0.0), work)


def _but_how_much(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in HOW_MUCH}
