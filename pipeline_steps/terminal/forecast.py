"""A quick forecast of how long jobs will take, before any of them starts.

A plan (`make plan`) counts operations, which takes a second for each job. This uses
what is known already: the time of an earlier run with the same settings, the scale's
last plan, or else a guess from the settings. During a run all forecasts are corrected
by the times of finished jobs.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pipeline_steps import layout
from pipeline_steps.config.schema import Config
from pipeline_steps.core.card import read_card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json
from pipeline_steps.jobs.names import base
from pipeline_steps.jobs.planned import RuleJob

# Guesses are in passes of one image through a small network and back; measured at scale
# demo on one core. What is guessed wrong is wrong for all jobs of a step, and corrected.
SECONDS_A_PASS = 1 / 4500
SECONDS_OF_START = 0.5
PASSES_OF_GLOW, PASSES_OF_GAN, PASSES_OF_SEARCH = 4, 10, 6
# A step of an attack that edits latents runs the generator too.
THROUGH_GENERATOR = 3
# A query of a black box is a pass forward alone.
PASSES_OF_QUERY = 0.4
# Of data sets that don't state their sizes, which are small.
UNSTATED = {"train": 1000, "test": 500}
# Where a training keeps its weights for a curve, and how often is not known.
SNAPSHOTS = 5


@dataclass(frozen=True)
class Forecast:
    """How long the jobs of a scale will take."""

    config: Config
    root: Path

    def seconds(self, job: RuleJob) -> float:
        """From the best source at hand."""
        measured = self._measured(job)
        if measured is not None:
            return measured
        planned = self._planned.get((step_of(job), "/".join(job.names.values())))
        return self._guess(job) if planned is None else planned

    def _measured(self, job: RuleJob) -> float | None:
        """The last run's time, if its settings were the same."""
        places = job.outputs
        if "record" not in places or not (self.root / places["record"]).is_file():
            return None
        try:
            if read_card(self.root / places["card"]).spec != job.spec:
                return None
            record = read_json(self.root / places["record"])
        except PipelineError:
            return None
        parts = sum(part["seconds"] for part in record.get("parts", []))
        return max(float(record["seconds"]) - parts, 0.1)

    @cached_property
    def _planned(self) -> Mapping[tuple[str, str], float]:
        """What the last plan says, by step and name; of unknown durations nothing."""
        file = self.root / layout.plan_folder(self.config.name) / "jobs.csv"
        if not file.is_file():
            return {}
        with file.open(encoding="utf-8", newline="") as lines:
            return {
                (line["step"], line["name"]): float(line["seconds"])
                for line in csv.DictReader(lines)
                if line["seconds"]
            }

    def _guess(self, job: RuleJob) -> float:
        passes = self._passes(job) if step_of(job) in GUESSED else 0.0
        return SECONDS_OF_START + passes * SECONDS_A_PASS

    def _passes(self, job: RuleJob) -> float:
        spec, step = job.spec, step_of(job)
        split = "train" if step.startswith("train") else spec.get("split", "test")
        images = self._images(spec, split)
        if step == "train_flow":
            return PASSES_OF_GLOW * _seen(spec, spec["training"], images)
        if step == "train_gan":
            training = spec["training"]
            return PASSES_OF_GAN * _limited(spec, training, training["images"])
        if step == "project_dataset":
            iterations = (spec["projection"] or {}).get("iterations", 0)
            return images * (1 + PASSES_OF_SEARCH * iterations)
        if step == "train_defense":
            seen = _seen(spec, spec["schedule"], images)
            return seen * (1 + passes(spec["recipe"]))
        times = SNAPSHOTS if step == "attack_snapshots" else 1
        return times * images * (1 + passes(spec["threat"]))

    def _images(self, spec: Mapping[str, Any], split: str) -> float:
        """How many images a job takes; of a shard its part."""
        name = base(spec["dataset"]["name"])
        known = self.config.datasets.get(name)
        stated = getattr(known, f"{split}_images", None)
        images = spec.get("images") or stated or UNSTATED[split]
        return images / spec["shard"]["of"] if "shard" in spec else images


GUESSED = (
    "train_flow",
    "train_gan",
    "project_dataset",
    "train_defense",
    "attack_defense",
    "attack_snapshots",
)
"""The steps whose settings tell how much they do; all others are small."""


@cache
def _step_of(rule: str) -> str:
    result = layout.RULES[rule]
    return rule if result.gathers else result.step.rpartition(".")[2]


def step_of(job: RuleJob) -> str:
    """The step whose work a job does; to gather that of others is work of its own."""
    return _step_of(job.result.rule)


def passes(settings: Any) -> float:
    """How often the attacks in these settings, if any, ask the network about an image."""
    if isinstance(settings, list):
        return sum(map(passes, settings))
    if not isinstance(settings, Mapping):
        return 0.0
    within = sum(map(passes, settings.values()))
    if "attack" not in settings:
        return within
    asked = settings.get("steps", 0) + PASSES_OF_QUERY * settings.get("queries", 0)
    asked *= settings.get("restarts", 1) * settings.get("samples", 1)
    return within + asked * (THROUGH_GENERATOR if _has_generator(settings) else 1)


def _has_generator(settings: Any) -> bool:
    if isinstance(settings, list):
        return any(map(_has_generator, settings))
    if not isinstance(settings, Mapping):
        return False
    return "generator" in settings or any(map(_has_generator, settings.values()))


def _seen(spec: Mapping[str, Any], schedule: Mapping[str, Any], images: float) -> float:
    """How many images a training sees."""
    return _limited(spec, schedule, schedule["epochs"] * images)


def _limited(
    spec: Mapping[str, Any], schedule: Mapping[str, Any], images: float
) -> float:
    """The same, where the scale limits its steps."""
    steps = spec.get("steps")
    return min(images, steps * schedule["batch"]) if steps else images
