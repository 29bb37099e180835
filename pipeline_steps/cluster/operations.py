"""How many floating-point operations a job takes, counted on the code that it will run.

The job's own recipe, threat or generator runs on a pretended batch: PyTorch works out
every shape and computes nothing. So a new recipe or threat is counted as it is. A
multiplication and an addition are two operations; what is no matrix product or
convolution is not counted.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from pipeline_steps.core.digest import spec_text
from pipeline_steps.core.rng import rng
from pipeline_steps.core.shards import Shard
from pipeline_steps.defenses.load import answering, new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.defenses.schedules import kept_epochs
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.generators.adversarial import discriminator_loss, generator_loss
from pipeline_steps.generators.generator import build_flow, build_gan, build_generator
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanTraining, generators_in
from pipeline_steps.generators.stages import GrowthSchedule
from pipeline_steps.manifolds.perceptual import network_of
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

Spec = Mapping[str, Any]

NAMES = ("name", "projected")


def operations(step: str, spec: Spec, train: int, test: int, before: Spec) -> float:
    """All operations of a job on so many images for training and for testing.

    `before` is the spec of the job that trained what this one works on.
    """
    return COUNTED[step](spec, train, test, before)


def _train_flow(spec: Spec, train: int, test: int, before: Spec) -> float:
    batch = spec["training"]["batch"]
    seen = _seen(spec, spec["training"]["epochs"] * train, batch)
    return seen * _per_image(_likelihood, batch, spec["model"], spec["dataset"])


def _train_gan(spec: Spec, train: int, test: int, before: Spec) -> float:
    training, dataset = spec["training"], spec["dataset"]
    schedule = GrowthSchedule(
        GanTraining(**training), dataset["size"], spec.get("steps")
    )
    return sum(
        stage.steps
        * stage.batch
        * _per_image(
            _playing,
            stage.batch,
            spec["model"],
            training,
            dataset | {"size": stage.size},
        )
        for stage in schedule.stages
    )


def _train_defense(spec: Spec, train: int, test: int, before: Spec) -> float:
    parts, batch = (spec["architecture"], spec["dataset"]), spec["schedule"]["batch"]
    each = in_steps(spec["recipe"], lambda r: _per_image(_learning, batch, r, *parts))
    images = spec["schedule"]["epochs"] * min(train, spec["images"] or train)
    return _seen(spec, images, batch) * each


def _seen(spec: Spec, images: int, batch: int) -> int:
    """How many images a training sees, where its steps may have a limit."""
    return min(images, spec["steps"] * batch) if "steps" in spec else images


def _attack_defense(spec: Spec, train: int, test: int, before: Spec) -> float:
    parts, batch = (spec["architecture"], spec["dataset"]), spec["batch"]
    each = in_steps(spec["threat"], lambda t: _per_image(_judging, batch, t, *parts))
    return images_of(spec, min(test, spec["images"] or test)) * each


def _attack_snapshots(spec: Spec, train: int, test: int, before: Spec) -> float:
    return snapshots(before) * _attack_defense(spec, train, test, before)


def _project_dataset(spec: Spec, train: int, test: int, before: Spec) -> float:
    how, dataset = spec["projection"], spec["dataset"]
    images = test if spec["split"] == "test" else train
    images = images_of(spec, min(images, spec.get("images", images)))
    if how is None:
        return images * _per_image(_encoding, spec["batch"], spec["generator"], dataset)
    parts = (spec["generator"], spec["features"], dataset)
    return images * how["iterations"] * _per_image(_seeking, spec["batch"], *parts)


COUNTED: dict[str, Callable[[Spec, int, int, Spec], float]] = {
    "train_flow": _train_flow,
    "train_gan": _train_gan,
    "train_defense": _train_defense,
    "attack_defense": _attack_defense,
    "attack_snapshots": _attack_snapshots,
    "project_dataset": _project_dataset,
}


def images_of(spec: Spec, images: int) -> int:
    """Those of the job's shard, or all."""
    if "shard" not in spec:
        return images
    return sum(map(len, Shard(**spec["shard"]).batches(images, spec["batch"])))


def snapshots(training: Spec) -> int:
    """How many times a training keeps its weights."""
    if "steps" in training:
        return 1 if training["snapshots"] else 0
    return len(kept_epochs(training["schedule"]["epochs"], training["snapshots"]))


def in_steps(spec: Spec, count: Callable[[Spec], float]) -> float:
    """A count for threats of any number of steps, from their first two.

    Each further step of an ascent costs what the second one does.
    """
    short = copy.deepcopy(dict(spec))
    threats = [(threat, threat["steps"]) for threat in _threats(short)]
    for threat, _ in threats:
        threat["steps"] = 1
    whole = first = count(short)
    for threat, steps in threats:
        threat["steps"] = 2
        whole += (steps - 1) * (count(short) - first)
        threat["steps"] = 1
    return whole


def _threats(spec: Any) -> Iterator[dict[str, Any]]:
    """The threats of several steps that a spec holds at any depth."""
    if isinstance(spec, dict):
        if "edit" in spec and spec.get("steps", 0) > 1:
            yield spec
        for value in spec.values():
            yield from _threats(value)


Run = Callable[[Tensor, Tensor], Any]


def _per_image(what: Callable[..., Run], batch: int, *parts: Spec) -> float:
    """The same question is counted once, whatever its names and amounts are."""
    question = (what, batch, spec_text([*map(_shapes, parts)]))
    if question not in _ANSWERS:
        _ANSWERS[question] = _counted(what, batch, *parts)
    return _ANSWERS[question] / batch


_ANSWERS: dict[tuple[Callable[..., Run], int, str], float] = {}


def _shapes(told: Any) -> Any:
    """What of a spec may move a shape: not a name, nor how large an amount is."""
    if isinstance(told, Mapping):
        return {k: _shapes(v) for k, v in told.items() if k not in NAMES}
    if isinstance(told, list | tuple):
        return [_shapes(value) for value in told]
    return told != 0 if isinstance(told, float) else told


def _counted(what: Callable[..., Run], batch: int, *parts: Spec) -> float:
    """Operations of a batch."""
    *told, dataset = parts
    shape = (batch, dataset["channels"], dataset["size"], dataset["size"])
    run = what(*told)
    with FakeTensorMode(allow_non_fake_inputs=True):
        images, labels = torch.zeros(shape), torch.zeros(batch, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            run(images, labels)
    return float(counter.get_total_flops())


def _likelihood(entry: Spec) -> Run:
    flow = build_flow(entry)
    return lambda images, _: flow.bits_per_dimension(images, images).mean().backward()


def _playing(entry: Spec, told: Spec) -> Run:
    """A step of a GAN at one resolution, as `train_gan` takes it."""
    training, generator = GanTraining(**told), build_gan(entry)
    discriminator = generator.discriminator()

    def run(images: Tensor, _: Tensor) -> None:
        growth, count, draw = Growth(images.shape[-1]), len(images), rng(0, "count")
        for _turn in range(training.critics):
            with torch.no_grad():
                fake = generator.imagine(count, draw, growth, training.mixing)
            real = images.clone()
            loss = discriminator_loss(discriminator, real, fake, growth, training)
            loss.backward()
        discriminator.requires_grad_(False)
        loss = generator_loss(generator, discriminator, count, draw, growth, training)
        loss.backward()

    return run


def _learning(entry: dict[str, Any], architecture: dict[str, Any]) -> Run:
    recipe = build_recipe(entry, _generators(entry))
    model = new_model(architecture, seed=0).train()

    def run(images: Tensor, labels: Tensor) -> None:
        draw = rng(0, "count")
        batch = recipe.prepare(_batch(entry, images, labels), draw)
        recipe.loss(model, batch, draw).backward()

    return run


def _judging(entry: dict[str, Any], architecture: dict[str, Any]) -> Run:
    others = {
        name: new_model(other["network"], seed=0).eval()
        for name, other in defenses_in(entry).items()
    }
    threat = build_threat(ThreatSpec(**entry), _generators(entry), others)
    static = new_model(architecture, seed=0).eval()
    model = answering(static, architecture)
    seen = model if threat.sees_inference else static

    def run(images: Tensor, labels: Tensor) -> None:
        edited = threat(seen, _batch(entry, images, labels), rng(0, "count"))
        with torch.no_grad():
            model(edited), model(edited)  # asked twice, as verdicts are

    return run


def _batch(entry: Spec, images: Tensor, labels: Tensor) -> Batch:
    """Images with latents for every generator that can't encode."""
    projected = {
        generator.name: images.new_zeros(len(images), generator.dimensions)
        for generator in _generators(entry).values()
        if not generator.exact
    }
    return Batch(images, labels, projected=projected)


def _encoding(entry: Spec) -> Run:
    generator = _generator(spec_text(entry))

    def run(images: Tensor, _: Tensor) -> None:
        for some in (images, images):  # the images, and mixtures of them
            generator.decode(generator.encode(some))

    return run


def _seeking(entry: Spec, features: Spec) -> Run:
    """A step of a projection; which distance the features make costs nothing here."""
    generator, network = _generator(spec_text(entry)), network_of(features).eval()

    def run(images: Tensor, _: Tensor) -> None:
        latents = images.new_zeros(
            len(images), generator.dimensions, requires_grad=True
        )
        found = network.requires_grad_(False)(generator.decode(latents))
        sum(feature.sum() for feature in found).backward()

    return run


def _generators(spec: Spec) -> dict[str, Any]:
    entries = generators_in(spec)
    return {name: _generator(spec_text(entry)) for name, entry in entries.items()}


@cache
def _generator(text: str) -> Any:
    return build_generator(json.loads(text)).eval().requires_grad_(False)
