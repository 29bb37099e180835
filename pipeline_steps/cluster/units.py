"""How many units of work a job has: steps, batches, and what ends an epoch.

They bear the names under which a record tells its pace (`core/pace.py`), and are counted
from the spec and the size of the data. A batch that isn't full counts as its part.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pipeline_steps.cluster.operations import images_of, snapshots
from pipeline_steps.defenses.spec import DefenseSpec
from pipeline_steps.defenses.train_defense import EPOCHS_ENDS, BatchOrder
from pipeline_steps.generators.spec import FlowSpec, GanSpec
from pipeline_steps.generators.stages import GrowthSchedule
from pipeline_steps.generators.train_flow import FlowSteps
from pipeline_steps.generators.train_gan import JUDGINGS, judged_steps, times_judged
from pipeline_steps.manifolds.project_images import BATCHES_ENDS

Spec = Mapping[str, Any]
Units = dict[str, float]


def units(step: str, spec: Spec, train: int, test: int, before: Spec) -> Units:
    """The units of a job on so many images for training and for testing.

    `before` is the spec of the job that trained what this one works on.
    """
    return UNITS[step](spec, train, test, before)


def _train_flow(spec: Spec, train: int, test: int, before: Spec) -> Units:
    course = FlowSteps(FlowSpec(**spec), train)
    return {"steps": course.steps, EPOCHS_ENDS: course.epochs}


def _train_gan(spec: Spec, train: int, test: int, before: Spec) -> Units:
    gan = GanSpec(**spec)
    course = GrowthSchedule(gan.training, gan.dataset.size, gan.steps)
    steps: Counter[str] = Counter()
    for stage in course.stages:
        steps[stage.unit] += stage.steps
    judged = judged_steps(course.steps, times_judged(gan))
    return {**steps, JUDGINGS: len(judged)}


def _train_defense(spec: Spec, train: int, test: int, before: Spec) -> Units:
    defense = DefenseSpec(**spec)
    images = range(min(train, defense.images or train))
    monitor, limit = defense.monitor, defense.steps
    course = BatchOrder(images, defense.schedule, defense.seed, monitor, limit)
    return {"steps": course.steps, EPOCHS_ENDS: course.epochs}


def _attack_defense(spec: Spec, train: int, test: int, before: Spec) -> Units:
    return {
        "batches": images_of(spec, min(test, spec["images"] or test)) / spec["batch"]
    }


def _attack_snapshots(spec: Spec, train: int, test: int, before: Spec) -> Units:
    batches = _attack_defense(spec, train, test, before)["batches"]
    return {"batches": snapshots(before) * batches}


def _project_dataset(spec: Spec, train: int, test: int, before: Spec) -> Units:
    images = test if spec["split"] == "test" else train
    batches = images_of(spec, min(images, spec.get("images", images))) / spec["batch"]
    iterations = spec["projection"]["iterations"] if spec["projection"] else 1
    return {"steps": iterations * batches, BATCHES_ENDS: batches}


UNITS: dict[str, Callable[[Spec, int, int, Spec], Units]] = {
    "train_flow": _train_flow,
    "train_gan": _train_gan,
    "train_defense": _train_defense,
    "attack_defense": _attack_defense,
    "attack_snapshots": _attack_snapshots,
    "project_dataset": _project_dataset,
}
