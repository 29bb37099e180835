"""How much work a job has: units such as steps and batches, and operations.

Units have the names under which records give their pace (`core/pace.py`). Both are
counted from the spec and the size of the data. In units a batch that isn't full counts
as its part.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline_steps.cluster.operations import (
    encoding,
    in_steps,
    judging,
    learning,
    likelihood,
    per_image,
    playing,
    seeking,
)
from pipeline_steps.core.shards import Shard
from pipeline_steps.defenses.schedules import kept_epochs
from pipeline_steps.defenses.spec import DefenseSpec
from pipeline_steps.defenses.train_defense import EPOCHS_ENDS, BatchOrder
from pipeline_steps.generators.spec import FlowSpec, GanSpec, GanTraining
from pipeline_steps.generators.stages import GrowthSchedule
from pipeline_steps.generators.train_flow import FlowSteps
from pipeline_steps.generators.train_gan import JUDGINGS, judged_steps, times_judged
from pipeline_steps.manifolds.project_images import BATCHES_ENDS

Spec = Mapping[str, Any]
Units = dict[str, float]


@dataclass(frozen=True)
class Work:
    """A job of one of `STEPS`, and the size of its data."""

    step: str
    spec: Spec
    train: int
    """Images for training."""
    test: int
    """Images for testing."""
    before: Spec = field(default_factory=dict)
    """The spec of the job that trained what this one works on."""

    def units(self) -> Units:
        """How many units it has, by the names that records give them."""
        return STEPS[self.step].units(self)

    def operations(self) -> float:
        """All its floating-point operations."""
        return STEPS[self.step].operations(self)


class Counts(NamedTuple):
    """How the work of a step is counted."""

    units: Callable[[Work], Units]
    operations: Callable[[Work], float]


def _flow_units(work: Work) -> Units:
    course = FlowSteps(FlowSpec(**work.spec), work.train)
    return {"steps": course.steps, EPOCHS_ENDS: course.epochs}


def _flow_operations(work: Work) -> float:
    spec, batch = work.spec, work.spec["training"]["batch"]
    seen = _seen(spec, spec["training"]["epochs"] * work.train, batch)
    return seen * per_image(likelihood, batch, spec["model"], spec["dataset"])


def _gan_units(work: Work) -> Units:
    gan = GanSpec(**work.spec)
    course = GrowthSchedule(gan.training, gan.dataset.size, gan.steps)
    steps: Counter[str] = Counter()
    for stage in course.stages:
        steps[stage.unit] += stage.steps
    judged = judged_steps(course.steps, times_judged(gan))
    return {**steps, JUDGINGS: len(judged)}


def _gan_operations(work: Work) -> float:
    spec, training, dataset = work.spec, work.spec["training"], work.spec["dataset"]
    course = GrowthSchedule(GanTraining(**training), dataset["size"], spec.get("steps"))
    return sum(
        stage.steps
        * stage.batch
        * per_image(
            playing,
            stage.batch,
            spec["model"],
            training,
            dataset | {"size": stage.size},
        )
        for stage in course.stages
    )


def _training_units(work: Work) -> Units:
    defense = DefenseSpec(**work.spec)
    images = range(min(work.train, defense.images or work.train))
    monitor, limit = defense.monitor, defense.steps
    course = BatchOrder(images, defense.schedule, defense.seed, monitor, limit)
    return {"steps": course.steps, EPOCHS_ENDS: course.epochs}


def _training_operations(work: Work) -> float:
    spec, batch = work.spec, work.spec["schedule"]["batch"]
    parts = (spec["architecture"], spec["dataset"])
    each = in_steps(spec["recipe"], lambda r: per_image(learning, batch, r, *parts))
    images = spec["schedule"]["epochs"] * min(work.train, spec["images"] or work.train)
    return _seen(spec, images, batch) * each


def _attack_units(work: Work) -> Units:
    return {"batches": _attacked(work) / work.spec["batch"]}


def _attack_operations(work: Work) -> float:
    spec, batch = work.spec, work.spec["batch"]
    parts = (spec["architecture"], spec["dataset"])
    each = in_steps(spec["threat"], lambda t: per_image(judging, batch, t, *parts))
    return _attacked(work) * each


def _snapshots_units(work: Work) -> Units:
    return {"batches": _snapshots(work.before) * _attack_units(work)["batches"]}


def _snapshots_operations(work: Work) -> float:
    return _snapshots(work.before) * _attack_operations(work)


def _projection_units(work: Work) -> Units:
    projection, batches = work.spec["projection"], _projected(work) / work.spec["batch"]
    iterations = projection["iterations"] if projection else 1
    return {"steps": iterations * batches, BATCHES_ENDS: batches}


def _projection_operations(work: Work) -> float:
    spec, projection = work.spec, work.spec["projection"]
    images, batch, dataset = _projected(work), spec["batch"], spec["dataset"]
    if projection is None:
        return images * per_image(encoding, batch, spec["generator"], dataset)
    parts = (spec["generator"], spec["features"], dataset)
    return images * projection["iterations"] * per_image(seeking, batch, *parts)


STEPS = {
    "train_flow": Counts(_flow_units, _flow_operations),
    "train_gan": Counts(_gan_units, _gan_operations),
    "train_defense": Counts(_training_units, _training_operations),
    "attack_defense": Counts(_attack_units, _attack_operations),
    "attack_snapshots": Counts(_snapshots_units, _snapshots_operations),
    "project_dataset": Counts(_projection_units, _projection_operations),
}
"""The steps whose work is counted; all others are small."""


def _seen(spec: Spec, images: int, batch: int) -> int:
    """How many images a training sees, where its steps may have a limit."""
    return min(images, spec["steps"] * batch) if "steps" in spec else images


def _attacked(work: Work) -> int:
    return _of_shard(work.spec, min(work.test, work.spec["images"] or work.test))


def _projected(work: Work) -> int:
    images = work.test if work.spec["split"] == "test" else work.train
    return _of_shard(work.spec, min(images, work.spec.get("images", images)))


def _of_shard(spec: Spec, images: int) -> int:
    """Those of the job's shard, or all."""
    if "shard" not in spec:
        return images
    return sum(map(len, Shard(**spec["shard"]).batches(images, spec["batch"])))


def _snapshots(training: Spec) -> int:
    """How many times a training keeps its weights."""
    if "steps" in training:
        return 1 if training["snapshots"] else 0
    return len(kept_epochs(training["schedule"]["epochs"], training["snapshots"]))
