"""How many floating-point operations an image takes, counted by running the job's own
code.

The job's recipe, threat or generator runs on a fake batch: PyTorch works out every
shape and computes nothing. So a new recipe or threat is counted without further work. A
multiplication and an addition are two operations; only matrix products and convolutions
count.
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
from pipeline_steps.defenses.load import answering, new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.generators.adversarial import discriminator_loss, generator_loss
from pipeline_steps.generators.generator import build_flow, build_gan, build_generator
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanTraining, generators_in
from pipeline_steps.manifolds.perceptual import network_of
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

Spec = Mapping[str, Any]

NAMES = ("name", "projected")


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


def per_image(what: Callable[..., Run], batch: int, *parts: Spec) -> float:
    """Operations of each image in a batch of this size.

    The same question is counted once, whatever its names and amounts are.
    """
    question = (what, batch, spec_text([*map(_shapes, parts)]))
    if question not in _ANSWERS:
        _ANSWERS[question] = _counted(what, batch, *parts)
    return _ANSWERS[question] / batch


_ANSWERS: dict[tuple[Callable[..., Run], int, str], float] = {}


def _shapes(spec: Any) -> Any:
    """The parts of a spec that may change a shape: neither names nor amounts do."""
    if isinstance(spec, Mapping):
        return {k: _shapes(v) for k, v in spec.items() if k not in NAMES}
    if isinstance(spec, list | tuple):
        return [_shapes(value) for value in spec]
    return spec != 0 if isinstance(spec, float) else spec


def _counted(what: Callable[..., Run], batch: int, *parts: Spec) -> float:
    """Operations of a batch."""
    *entries, dataset = parts
    shape = (batch, dataset["channels"], dataset["size"], dataset["size"])
    run = what(*entries)
    with FakeTensorMode(allow_non_fake_inputs=True):
        images, labels = torch.zeros(shape), torch.zeros(batch, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            run(images, labels)
    return float(counter.get_total_flops())


def likelihood(entry: Spec) -> Run:
    flow = build_flow(entry)
    return lambda images, _: flow.bits_per_dimension(images, images).mean().backward()


def playing(entry: Spec, course: Spec) -> Run:
    """A step of a GAN at one resolution, as `train_gan` takes it."""
    training, generator = GanTraining(**course), build_gan(entry)
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


def learning(entry: dict[str, Any], architecture: dict[str, Any]) -> Run:
    recipe = build_recipe(entry, _generators(entry))
    model = new_model(architecture, seed=0).train()

    def run(images: Tensor, labels: Tensor) -> None:
        draw = rng(0, "count")
        batch = recipe.prepare(_batch(entry, images, labels), draw)
        recipe.loss(model, batch, draw).backward()

    return run


def judging(entry: dict[str, Any], architecture: dict[str, Any]) -> Run:
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


def encoding(entry: Spec) -> Run:
    generator = _generator(spec_text(entry))

    def run(images: Tensor, _: Tensor) -> None:
        for some in (images, images):  # the images, and mixtures of them
            generator.decode(generator.encode(some))

    return run


def seeking(entry: Spec, features: Spec) -> Run:
    """A step of a projection; the distance between features counts as nothing."""
    generator, network = _generator(spec_text(entry)), network_of(features).eval()

    def run(images: Tensor, _: Tensor) -> None:
        latents = images.new_zeros(
            len(images), generator.dimensions, requires_grad=True
        )
        features = network.requires_grad_(False)(generator.decode(latents))
        sum(feature.sum() for feature in features).backward()

    return run


def _generators(spec: Spec) -> dict[str, Any]:
    entries = generators_in(spec)
    return {name: _generator(spec_text(entry)) for name, entry in entries.items()}


@cache
def _generator(text: str) -> Any:
    return build_generator(json.loads(text)).eval().requires_grad_(False)
