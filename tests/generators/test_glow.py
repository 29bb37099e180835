"""Glow decodes what it encodes, and its likelihood is a density."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.core.settings import settings_of, wanted
from pipeline_steps.generators.generator import build_generator
from pipeline_steps.generators.glow import CELL, Glow


def images_of(size, count=6, channels=3, seed=0):
    return rng(seed, "images").uniform([count, channels, size, size])


FORMS = {
    "glow": {},
    "glow-lp": {"levels": 2, "prior": "standard", "logit_margin": 0.05},
}


def perturbed(size, channels=3, steps=2, width=8, seed=0, amount=0.02, **form):
    """A flow that was fitted to images and then moved away from where it starts."""
    model = Glow(size, channels, steps, width, **form)
    model.draw_weights(rng(seed, "weights"))
    model.initialise(images_of(size, 32, channels, seed))
    stream = rng(seed, "perturbed")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += amount * stream.normal(parameter.shape)
    return model.eval()


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_round_trip_of_images_mixtures_and_latents(size):
    model = perturbed(size, seed=size)
    images = images_of(size, seed=1)
    mixtures = images.lerp(images.flip(0), 0.3)
    black = torch.zeros_like(images)
    with torch.no_grad():
        for whole in (images, mixtures, black):
            latents = model.encode(whole)
            assert latents.shape == (len(images), 3 * size * size)
            assert (model.decode(latents) - whole).abs().max() < 1e-4
        moved = latents + 0.1 * rng(2, "moved").normal(latents.shape)
        assert (model.encode(model.decode(moved)) - moved).abs().max() < 1e-2


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    size=st.sampled_from([4, 6, 8, 12, 16]),
    channels=st.sampled_from([1, 3]),
    steps=st.integers(1, 3),
    levels=st.sampled_from([None, 1]),
    prior=st.sampled_from(["learned", "standard"]),
    logit_margin=st.sampled_from([0.0, 0.05]),
    seed=st.integers(0, 10**6),
)
def test_every_form_inverts(size, channels, steps, seed, **form):
    model = perturbed(size, channels, steps, seed=seed, **form)
    images = images_of(size, 3, channels, seed=1)
    with torch.no_grad():
        for kind, most in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
            given = images.to(kind)
            back = model.to(kind).decode(model.encode(given))
            assert back.dtype == kind and (back - given).abs().max() < most


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 8])
def test_likelihood_is_that_of_the_whole_jacobian(size, channels, form):
    form = FORMS[form] | {"levels": None}
    model = perturbed(size, channels, 1, width=4, amount=0.1, **form).double()
    image = images_of(size, 1, channels, seed=3).double()
    latents = model.encode(image)
    matrix = torch.autograd.functional.jacobian(model.encode, image)
    matrix = matrix.reshape(latents.shape[1], latents.shape[1])
    total = torch.linalg.slogdet(matrix).logabsdet
    with torch.no_grad():
        for level, kept, removed, _ in model._levels(image):
            mean, log_scale = level.prior.moments(kept)
            normal = torch.distributions.Normal(mean, log_scale.exp())
            total = total + normal.log_prob(removed).sum()
    assert torch.allclose(model.log_likelihood(image), total, atol=1e-8)


def test_three_levels_as_flow_lp_has_them():
    model = perturbed(32, steps=1, **FORMS["glow-lp"] | {"levels": 3})
    assert model.shapes == [(6, 16, 16), (12, 8, 8), (48, 4, 4)]
    assert not [name for name, _ in model.named_parameters() if "prior" in name]


def test_a_logit_keeps_whatever_is_decoded_within_bounds():
    model = perturbed(8, **FORMS["glow-lp"])
    images = model.decode(50 * rng(0, "far").normal([4, 192]))
    assert images.isfinite().all()
    assert images.min() >= -0.056 and images.max() <= 1.056


@pytest.mark.parametrize(
    ("size", "levels"), [(4, 1), (6, 1), (12, 2), (28, 2), (32, 4)]
)
def test_levels_follow_from_the_size(size, levels):
    model = Glow(size, 1, 1, 4)
    assert len(model.blocks) == len(model.level_slices) == levels


def test_bits_per_dimension_spread_each_pixel_over_its_cell():
    model = perturbed(4)
    images = (images_of(4) * 255).round() / 255
    middle = model.bits_per_dimension(images, torch.full_like(images, 0.5))
    nats = -model.log_likelihood(images) / 48 - math.log(CELL)
    assert torch.allclose(middle, nats / math.log(2))
    noise = rng(5, "noise").uniform(images.shape)
    spread = model.dequantised(images, noise)
    assert torch.equal((spread * 255).round() / 255, images)


def test_level_slices_tile_the_latents_and_move_what_they_name():
    model = perturbed(32)
    sizes = [s.stop - s.start for s in model.level_slices]
    assert sizes == [1536, 768, 384, 384]  # docs/methods/generators.md#glow
    assert model.level_slices[0].start == 0
    assert model.level_slices[-1].stop == model.dimensions
    images = images_of(32, 2)
    parts = [z.flatten(1) for _, _, z, _ in model._levels(images)]
    for place, part in zip(model.level_slices, parts, strict=True):
        assert torch.equal(model.encode(images)[:, place], part)


@pytest.mark.parametrize("shape", [(2, 47), (48,), (2, 3, 4, 4)])
def test_latents_of_another_shape_are_refused_in_one_sentence(shape):
    with pytest.raises(PipelineError, match=r"\[images, 48\], not \[") as caught:
        Glow(4, 3, 1, 4).decode(torch.zeros(shape))
    assert str(list(shape)) in str(caught.value)


def test_images_of_another_size_are_refused():
    with pytest.raises(PipelineError, match=r"\[images, 3, 4, 4\], not \[2, 3, 8, 8\]"):
        Glow(4, 3, 1, 4).encode(images_of(8, 2))


@pytest.mark.parametrize(
    ("size", "levels"), [(1, None), (2, None), (3, None), (12, 3), (32, 5)]
)
def test_images_must_allow_the_levels(size, levels):
    with pytest.raises(PipelineError, match=f"images of {size} pixels allow"):
        Glow(size, 3, 1, 4, levels=levels)


@pytest.mark.parametrize("form", FORMS)
def test_samples_follow_the_seed_alone(form):
    model = perturbed(8, **FORMS[form])
    first = model.sample(3, rng(0, "sample"))
    assert first.shape == (3, 3, 8, 8)
    assert torch.equal(first, model.sample(3, rng(0, "sample")))
    assert not torch.equal(first, model.sample(3, rng(1, "sample")))


def test_sample_draws_from_the_priors():
    """At temperature 0 every level holds the mean that its prior tells."""
    model = perturbed(8)
    images = model.sample(1, rng(0, "sample"), temperature=0.0)
    for level, kept, removed, _ in model._levels(images):
        mean, _ = level.prior.moments(kept)
        assert torch.allclose(removed, mean.expand_as(removed), atol=1e-3)


def test_fitting_happens_once_and_survives_the_state():
    model = Glow(8, 3, 1, 4)
    model.initialise(images_of(8, 32))
    state = {name: t.clone() for name, t in model.state_dict().items()}
    other = Glow(8, 3, 1, 4)
    other.load_state_dict(state)
    other.initialise(images_of(8, 32, seed=9) * 0.1)
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_fitted_latents_are_standard():
    model = Glow(8, 3, 2, 8)
    images = images_of(8, 64)
    model.initialise(images)
    assert 0.8 < model.encode(images).std() < 1.2


def test_frozen_flow_gives_gradients_of_latents_alone():
    model = perturbed(8).requires_grad_(False)
    latents = model.encode(images_of(8)).requires_grad_()
    model.decode(latents).square().sum().backward()
    assert latents.grad.isfinite().all() and latents.grad.abs().max() > 0
    assert all(p.grad is None for p in model.parameters())


def test_autocast_around_a_flow_changes_nothing():
    model, images = perturbed(8), images_of(8)
    plain = model.encode(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        latents = model.encode(images)
        decoded = model.decode(latents)
        likelihood = model.log_likelihood(images)
    assert torch.equal(latents, plain)
    assert decoded.dtype == torch.float32
    assert torch.equal(likelihood, model.log_likelihood(images))


def test_building_a_flow_leaves_global_randomness_alone():
    before = torch.get_rng_state()
    first, second = Glow(8, 3, 1, 4), Glow(8, 3, 1, 4)
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_settings_are_read_from_the_source():
    assert wanted("generator", "glow") == {"size", "channels"}
    fields = settings_of("generator", "glow").model_fields
    assert (fields["steps"].default, fields["width"].default) == (8, 512)
    entry = {"name": "any", "generator": "glow", "steps": 1, "width": 4}
    model = build_generator(entry | {"size": 8, "channels": 3})
    assert model.dimensions == 192
