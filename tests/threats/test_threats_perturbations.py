"""Every perturbation stays in its budget, and reaches all that it may move."""

from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pipeline_steps.core.registry import make, words
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.threats.batch import Batch

EPSILON, STEP = 0.05, 0.02


def toy_glow():
    """A Glow whose couplings are not the identity, as one that was trained."""
    entry = {"generator": "glow", "size": 8, "channels": 3, "steps": 2, "width": 8}
    glow = make("generator", entry)
    draw = rng(0, "glow")
    with torch.no_grad():
        for parameter in glow.parameters():
            parameter += 0.02 * draw.normal(parameter.shape)
        glow.initialise(rng(0, "fit").uniform([32, 3, 8, 8]))
    return glow.eval().requires_grad_(False)


@dataclass(frozen=True)
class Edits:
    """Makes perturbations on the generators by their names."""

    generators: dict[str, Any]

    def pixel(self, epsilon=EPSILON, **more):
        entry = {"perturbation": "pixel", "epsilon": epsilon, "step_size": STEP, **more}
        return make("perturbation", entry)

    def latent(self, epsilon=EPSILON, generator="toy", **more):
        entry = {
            "perturbation": "latent",
            "epsilon": epsilon,
            "step_size": STEP,
            **more,
        }
        return make("perturbation", entry, generator=self.generators[generator])

    def together(self, *parts):
        return make("perturbation", {"perturbation": "together"}, parts=list(parts))

    def joint(self, epsilon=EPSILON, generator="toy", **more):
        on_manifold = self.latent(epsilon, generator, **more)
        return self.together(on_manifold, self.pixel(epsilon, boxed=False, **more))

    def nothing(self, **_):
        return make("perturbation", {"perturbation": "nothing"})

    def case(self, case, **more):
        """An edit as one of CASES."""
        name, settings = CASES[case]
        return getattr(self, name)(**settings, **more)


CASES = {
    "nothing": ("nothing", {}),
    "pixel": ("pixel", {}),
    "pixel unboxed": ("pixel", {"boxed": False}),
    "latent": ("latent", {}),
    "latent of a Glow": ("latent", {"generator": "glow"}),
    "together": ("joint", {}),
    "together with a Glow": ("joint", {"generator": "glow"}),
}


@pytest.fixture(scope="session")
def edits(toy_generator):
    return Edits({"toy": toy_generator, "glow": toy_glow()})


every_case = pytest.mark.parametrize("case", CASES)


def a_batch(count=4, seed=0):
    images = rng(seed, "images").uniform([count, 3, 8, 8])
    return Batch(images, torch.arange(count) % 3)


def test_every_registered_perturbation_is_held_to_these_properties():
    assert {case.split()[0] for case in CASES} == set(words("perturbation"))


def inside(batch, perturbation, parameters):
    assert len(parameters) == perturbation.size
    edited = perturbation.apply(batch, parameters)
    assert edited.shape == batch.images.shape
    assert edited.min() >= 0
    assert edited.max() <= 1
    for parameter in parameters:
        assert parameter.abs().max() <= EPSILON + 1e-7
        assert len(parameter) == len(batch.images)
    return edited


@every_case
@pytest.mark.parametrize("start_at", ["random", "zero"])
@given(seed=st.integers(0, 1000), steps=st.integers(1, 6))
@settings(max_examples=8, deadline=None)
def test_an_edit_stays_in_its_budget_and_in_0_to_1(edits, case, start_at, seed, steps):
    batch, perturbation = a_batch(seed=seed), edits.case(case, start_at=start_at)
    parameters = perturbation.start(batch, rng(seed, "start"))
    inside(batch, perturbation, parameters)
    draw = rng(seed, "gradients")
    for _ in range(steps):
        gradients = [draw.normal(parameter.shape) for parameter in parameters]
        parameters = perturbation.step(batch, parameters, gradients)
        edited = inside(batch, perturbation, parameters)
    if case.startswith("pixel"):
        assert (edited - batch.images).abs().max() <= EPSILON + 1e-6


@every_case
def test_no_budget_leaves_every_image_as_it_is(edits, case):
    batch, perturbation = a_batch(), edits.case(case, epsilon=0.0)
    parameters = perturbation.start(batch, rng(0))
    parameters = perturbation.step(batch, parameters, [p + 1 for p in parameters])
    edited = perturbation.apply(batch, parameters)
    tolerance = 1e-4 if "Glow" in case else 1e-5
    assert torch.allclose(edited, batch.images, atol=tolerance)


@every_case
def test_the_gradient_reaches_every_parameter(edits, case):
    batch, perturbation = a_batch(), edits.case(case)
    parameters = [p.requires_grad_() for p in perturbation.start(batch, rng(0))]
    edited = perturbation.apply(batch, parameters)
    weights = rng(0, "weights").normal(edited.shape)
    if not parameters:
        assert torch.equal(edited, batch.images)
        return
    for gradient in torch.autograd.grad((weights * edited).sum(), parameters):
        assert (gradient.flatten(1) != 0).float().mean() > 0.99


@every_case
def test_the_gradient_is_not_lost_where_an_image_is_cut(edits, case):
    """A pixel at 0 or 1 must be able to come back."""
    batch = replace(a_batch(), images=a_batch().images.round())
    perturbation = edits.case(case)
    parameters = [p.requires_grad_() for p in perturbation.start(batch, rng(0))]
    if parameters:
        loss = perturbation.apply(batch, parameters).square().sum()
        for gradient in torch.autograd.grad(loss, parameters):
            assert gradient.abs().sum() > 0


@pytest.mark.parametrize("count", [0, 1])
@every_case
def test_the_smallest_batches_are_edited_too(edits, case, count):
    batch, perturbation = a_batch(count), edits.case(case)
    parameters = perturbation.start(batch, rng(0))
    parameters = perturbation.step(batch, parameters, parameters)
    assert perturbation.apply(batch, parameters).shape == (count, 3, 8, 8)


@every_case
def test_an_image_s_start_does_not_depend_on_its_neighbours(edits, case):
    whole, perturbation = a_batch(4), edits.case(case)
    every = perturbation.start(whole, image_rng(0, range(4), "attack"))
    half = Batch(whole.images[2:], whole.labels[2:])
    last = perturbation.start(half, image_rng(0, range(2, 4), "attack"))
    assert all(torch.equal(a[2:], b) for a, b in zip(every, last, strict=True))


@every_case
def test_an_edit_leaves_the_batch_as_it_was(edits, case):
    batch, perturbation = a_batch(), edits.case(case)
    before = batch.images.clone()
    parameters = perturbation.start(batch, rng(0))
    kept = [parameter.clone() for parameter in parameters]
    perturbation.apply(batch, perturbation.step(batch, parameters, parameters))
    assert torch.equal(batch.images, before)
    assert all(torch.equal(a, b) for a, b in zip(parameters, kept, strict=True))


def test_a_latent_edit_adds_to_the_latents_of_the_image(edits):
    batch, generator = a_batch(), edits.generators["glow"]
    latents = generator.encode(batch.images)
    addition = 0.01 * rng(0, "addition").normal(latents.shape)
    edited = edits.latent(generator="glow").apply(batch, [addition])
    expected = generator.decode(latents + addition).clamp(0, 1)
    assert torch.allclose(edited, expected, atol=1e-5)


def test_a_joint_edit_is_the_pixel_edit_of_the_latent_edit(edits):
    """IJSAT eq. 7: G(z + δ_z) + δ_x, cut to [0, 1]."""
    batch, edit = a_batch(), edits.joint()
    on_manifold, on_pixels = edit.start(batch, rng(0))
    decoded = edits.latent().apply(batch, [on_manifold])
    expected = (decoded + on_pixels).clamp(0, 1)
    assert torch.allclose(edit.apply(batch, [on_manifold, on_pixels]), expected)


def test_images_are_encoded_once_an_attack(toy_generator):
    counting = Mock(wraps=toy_generator)
    batch, perturbation = a_batch(), Edits({"toy": counting}).latent()
    parameters = perturbation.start(batch, rng(0))
    for _ in range(3):
        perturbation.apply(batch, parameters)
    assert counting.encode.call_count == 1


@pytest.mark.parametrize("first", ["pixel", "latent of a Glow"])
def test_a_latent_edit_may_follow_another_edit(edits, first):
    batch, latent = a_batch(), edits.latent()
    edit = edits.together(edits.case(first), latent)
    parameters = edit.start(batch, rng(0))
    before = edits.case(first).apply(batch, parameters[:1])
    expected = latent.apply(Batch(before, batch.labels), parameters[1:])
    assert functional.mse_loss(edit.apply(batch, parameters), expected) < 1e-8
