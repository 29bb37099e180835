"""Every perturbation stays in its budget, and reaches all that it may move."""

from dataclasses import replace
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threats_house import ascend
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make, parameters, words
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.threats.batch import Batch

EPSILON, STEP = 0.05, 0.02
BALL = {"epsilon": EPSILON, "step_size": STEP}


def entry(word, **more):
    return {"perturbation": word, **BALL, **more}


def several(word, *parts):
    return {"perturbation": word, "parts": list(parts)}


PIXEL, WARP = entry("pixel"), entry("warp", epsilon=0.4, step_size=0.3)
LATENT = entry("latent", generator="toy")
CASES = {
    "nothing": {"perturbation": "nothing"},
    "pixel": PIXEL,
    "pixel unboxed": entry("pixel", boxed=False),
    "pixel l2": entry("pixel", norm="l2", epsilon=1.5, step_size=0.5),
    "pixel l2 from the box": entry(
        "pixel", norm="l2", epsilon=1.5, step_size=0.5, start_at="box"
    ),
    "pixel l1": entry("pixel", norm="l1", epsilon=4.0, step_size=1.0),
    "pixel l1 by Frank and Wolfe": entry(
        "pixel", norm="l1", epsilon=4.0, step_size=0.0, frank_wolfe=True
    ),
    "latent": LATENT,
    "latent l2": entry("latent", generator="toy", norm="l2", epsilon=1.5),
    "latent of a Glow": entry("latent", generator="glow"),
    "latent of one level of a Glow": entry("latent", generator="glow", level=2),
    "warp": WARP,
    "warp with black outside": WARP | {"outside": "black"},
    "warp with the edge outside": WARP | {"outside": "nearest"},
    "elastic": entry("elastic", epsilon=0.5, step_size=0.2),
    "elastic to the edges": entry(
        "elastic", epsilon=0.5, step_size=0.2, corners="edges"
    ),
    "jpeg linf": entry("jpeg", norm="linf", epsilon=0.5, step_size=0.2),
    "jpeg l2": entry("jpeg", norm="l2", epsilon=8.0, step_size=3.0),
    "jpeg l1": entry("jpeg", norm="l1", epsilon=30.0),
    "jpeg l1 of fixed bounds": entry("jpeg", norm="l1", epsilon=30.0, bounds="fixed"),
    "fog": entry("fog", epsilon=0.5),
    "fog of an image's own limits": entry("fog", epsilon=0.5, limits="image"),
    "snow": entry("snow"),
    "gabor": entry("gabor", step_size=0.1),
    "gabor of the rest": entry("gabor", step_size=0.1, edited="rest"),
    "together": several(
        "together", LATENT | {"boxed": False}, entry("pixel", boxed=False)
    ),
    "together, cut in between": several(
        "together", LATENT, entry("pixel", boxed=False)
    ),
    "together with a Glow": several(
        "together", entry("latent", generator="glow"), entry("pixel", boxed=False)
    ),
    "in_turn, spatial-pixel": several("in_turn", WARP, PIXEL),
    "in_turn, pixel-spatial": several("in_turn", PIXEL, WARP),
}
EXACT = [case for case in CASES if "atent" not in case and "together" not in case]

every_case = pytest.mark.parametrize("case", CASES)


def toy_glow():
    """A Glow whose couplings are not the identity, as one that was trained."""
    glow = make(
        "generator",
        {"generator": "glow", "size": 8, "channels": 3, "steps": 2, "width": 8},
    )
    draw = rng(0, "glow")
    with torch.no_grad():
        for parameter in glow.parameters():
            parameter += 0.02 * draw.normal(parameter.shape)
        glow.initialise(rng(0, "fit").uniform([32, 3, 8, 8]))
    return glow.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def generators(toy_generator):
    return {"toy": toy_generator, "glow": toy_glow()}


@pytest.fixture(scope="session")
def edit(generators):
    """Makes an edit as one of CASES, with some of its settings changed."""

    def built(settings, **changed):
        given = {}
        if "parts" in settings:
            given["parts"] = [built(part, **changed) for part in settings["parts"]]
        if "generator" in settings:
            given["generator"] = generators[settings["generator"]]
        takes = {p.name for p in parameters("perturbation", settings["perturbation"])}
        given |= {key: item for key, item in changed.items() if key in takes}
        return make("perturbation", settings, **given)

    return lambda case, **changed: built(CASES[case], **changed)


def side(case):
    return 16 if "jpeg" in case or "gabor" in case else 8


def a_batch(case="", count=4, seed=0, shape=None):
    shape = shape or (side(case), side(case))
    images = rng(seed, "images").uniform([count, 3, *shape])
    return Batch(images, torch.arange(count) % 3)


def walk(perturbation, batch, seed, steps):
    """The parameters on a walk along random gradients."""
    found = perturbation.start(batch, rng(seed, "start"))
    yield found
    draw = rng(seed, "gradients")
    for iteration in range(steps * perturbation.passes):
        gradients = [draw.normal(parameter.shape).to(parameter) for parameter in found]
        found = perturbation.step(batch, found, gradients, iteration)
        yield found


def within(perturbation, found):
    """Whether parameters are in the budget that the family has of itself."""
    word, slack = type(perturbation).__name__, 1 + 1e-5
    if word in ("Together", "InTurn"):
        begin = 0
        for part in perturbation.parts:
            within(part, found[begin : begin + part.size])
            begin += part.size
        return
    if not found:
        return
    own = found[0].flatten(1)
    bound = slack * perturbation.epsilon
    if word == "Warp":
        assert found[0].square().sum(1).sqrt().max() <= bound
    elif word in ("Fog", "Snow"):
        assert own.min() >= 0
        assert own.max() <= 1
    elif word == "Gabor":
        kept = found[1] if perturbation.edited == "points" else torch.ones(1)
        assert own.abs().max() <= 1
        assert (found[0][(kept == 0).expand_as(found[0])] == 0).all()
    else:
        order = {"linf": torch.inf, "l2": 2, "l1": 1}
        norm = order[getattr(perturbation, "norm", "linf")]
        assert torch.linalg.vector_norm(own, norm, dim=1).max() <= bound
    if word == "Snow":
        for rows in found[0].split(8, -2):
            for block in rows.split(8, -1):
                assert block.mean((-2, -1)).max() <= 0.2 * slack
    if word == "Jpeg" and perturbation.norm != "linf":
        assert own.abs().max() <= 2


def inside(batch, perturbation, found):
    assert len(found) == perturbation.size
    assert all(len(parameter) == len(batch.images) for parameter in found)
    edited = perturbation.apply(batch, found)
    assert edited.shape == batch.images.shape
    assert edited.min() >= 0
    assert edited.max() <= 1
    within(perturbation, found)
    return edited


def test_every_registered_perturbation_is_held_to_these_properties():
    assert {case.split()[0].strip(",") for case in CASES} == set(words("perturbation"))


@every_case
@pytest.mark.parametrize("start_at", ["random", "zero"])
@given(seed=st.integers(0, 1000), steps=st.integers(1, 4))
@settings(max_examples=4, deadline=None)
def test_an_edit_stays_in_its_budget_and_in_0_to_1(edit, case, start_at, seed, steps):
    batch, perturbation = a_batch(case, seed=seed), edit(case, start_at=start_at)
    for found in walk(perturbation, batch, seed, steps):
        edited = inside(batch, perturbation, found)
    if case.startswith("pixel"):
        norm = {"l2": 2, "l1": 1}.get(perturbation.norm, torch.inf)
        moved = (edited - batch.images).flatten(1)
        lengths = torch.linalg.vector_norm(moved, norm, dim=1)
        assert lengths.max() <= perturbation.epsilon * (1 + 1e-4)


@pytest.mark.parametrize("case", EXACT)
@given(
    height=st.integers(3, 40),
    width=st.integers(3, 40),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=5, deadline=None)
def test_images_of_every_shape_are_edited(edit, case, height, width, channels, seed):
    if "jpeg" in case:
        height, width, channels = 16 * -(-height // 16), 16 * -(-width // 16), 3
    batch = a_batch(seed=seed, shape=(height, width))
    batch = replace(batch, images=batch.images[:, :channels])
    perturbation = edit(case)
    for found in walk(perturbation, batch, seed, 2):
        inside(batch, perturbation, found)


@every_case
def test_no_budget_leaves_every_image_as_it_is(edit, case):
    batch, perturbation = a_batch(case), edit(case, epsilon=0.0)
    *_, found = walk(perturbation, batch, 0, 2)
    edited = perturbation.apply(batch, found)
    if not perturbation.identity:
        assert not torch.allclose(edited, batch.images, atol=1e-3)
    elif case in EXACT:
        assert torch.equal(edited, batch.images)
    else:
        tolerance = 1e-4 if "Glow" in case else 1e-5
        assert torch.allclose(edited, batch.images, atol=tolerance)


@every_case
def test_the_same_seed_gives_the_same_bytes(edit, case):
    batch, perturbation = a_batch(case), edit(case)
    first, second = (list(walk(perturbation, batch, 7, 2))[-1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(
        perturbation.apply(batch, first), edit(case).apply(batch, second)
    )


# What is drawn once, and never ascended.
DRAWN = {"snow": [1], "gabor": [1, 2], "gabor of the rest": [1, 2]}


def gradients_of(perturbation, batch, found, weigh):
    leaves = [p.requires_grad_() for p in found]
    gain = weigh(perturbation.apply(batch, leaves))
    return torch.autograd.grad(gain, leaves, allow_unused=True)


@every_case
def test_the_gradient_reaches_every_parameter(edit, case):
    batch, perturbation = a_batch(case), edit(case)
    found = perturbation.start(batch, rng(0))
    weights = rng(0, "weights").normal(batch.images.shape)
    if not found:
        assert torch.equal(perturbation.apply(batch, found), batch.images)
        return
    gradients = gradients_of(perturbation, batch, found, lambda x: (weights * x).sum())
    for place, gradient in enumerate(gradients):
        if place in DRAWN.get(case, []):
            assert gradient is None
            continue
        # An arrow may point out of the image; fog is cut out of a larger map; snow may
        # already be as bright as can be.
        least = {"warp": 0.8, "fog": 0.3, "snow": 0.9}.get(case.split()[0], 0.99)
        least = 0.8 if "in_turn" in case else least
        assert (gradient.flatten(1) != 0).float().mean() > least


@pytest.mark.parametrize("case", [c for c in CASES if "pixel" in c or "atent" in c])
def test_the_gradient_is_not_lost_where_an_image_is_cut(edit, case):
    """A pixel at 0 or 1 must be able to come back."""
    batch = replace(a_batch(case), images=a_batch(case).images.round())
    perturbation = edit(case)
    found = perturbation.start(batch, rng(0))
    for gradient in gradients_of(
        perturbation, batch, found, lambda x: x.square().sum()
    ):
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("count", [0, 1])
@every_case
def test_the_smallest_batches_are_edited_too(edit, case, count):
    batch, perturbation = a_batch(case, count), edit(case)
    *_, found = walk(perturbation, batch, 0, 2)
    assert perturbation.apply(batch, found).shape == batch.images.shape


@every_case
def test_an_image_s_edit_does_not_depend_on_its_neighbours(edit, case):
    whole, perturbation = a_batch(case), edit(case)
    half = Batch(whole.images[2:], whole.labels[2:])
    every = perturbation.start(whole, image_rng(0, range(4), "attack"))
    last = perturbation.start(half, image_rng(0, range(2, 4), "attack"))
    assert all(
        torch.allclose(a[2:], b, atol=1e-6) for a, b in zip(every, last, strict=True)
    )
    for iteration in range(2):
        gradients = [rng(iteration).normal(p.shape) for p in every]
        every = perturbation.step(whole, every, gradients, iteration)
        last = perturbation.step(half, last, [g[2:] for g in gradients], iteration)
    edited = perturbation.apply(whole, every)[2:]
    assert torch.allclose(edited, perturbation.apply(half, last), atol=1e-5)


@every_case
def test_an_edit_leaves_the_batch_as_it_was(edit, case):
    batch, perturbation = a_batch(case), edit(case)
    before = batch.images.clone()
    found = perturbation.start(batch, rng(0))
    kept = [parameter.clone() for parameter in found]
    perturbation.apply(batch, perturbation.step(batch, found, found, 0))
    assert torch.equal(batch.images, before)
    assert all(torch.equal(a, b) for a, b in zip(found, kept, strict=True))


# Gabor's noise is evened by factors through which no gradient shall flow.
SMOOTH = [c for c in CASES if c != "nothing" and "gabor" not in c and "atent" not in c]


@pytest.mark.parametrize("case", [c for c in SMOOTH if "together" not in c])
def test_gradients_are_those_of_finite_differences(edit, case):
    images = 0.3 + 0.4 * a_batch(case, count=2).images.double()
    batch, perturbation = Batch(images, torch.arange(2)), edit(case)
    *_, found = walk(perturbation, batch, 0, 1)
    assert all(parameter.dtype == torch.float64 for parameter in found)

    def edited(*moving):
        return perturbation.apply(batch, [*moving, *found[len(moving) :]])

    count = 1 if case == "snow" else len(found)
    # Half of the walk: at a bound, or on a pixel's edge, there is no gradient.
    leaves = [(0.9 * p + 0.013).requires_grad_() for p in found[:count]]
    assert torch.autograd.gradcheck(edited, leaves, eps=1e-7, atol=1e-5, fast_mode=True)


def climbed(perturbation, batch, steps, curved):
    """How far a function of the image is raised."""
    weights = 4 * rng(0, "weights").normal(batch.images.shape)

    def height(images):
        values = weights * images
        return (values.sin() if curved else values).flatten(1).sum(1)

    found = perturbation.start(batch, rng(3, "start"))
    for iteration in range(steps * perturbation.passes):
        leaves = [p.detach().requires_grad_() for p in found]
        gain = height(perturbation.apply(batch, leaves)).sum()
        gradients = torch.autograd.grad(
            gain, leaves, allow_unused=True, materialize_grads=True
        )
        with torch.no_grad():
            found = perturbation.step(batch, leaves, gradients, iteration)
    return height(perturbation.apply(batch, found)) - height(batch.images)


def scaled(settings, factor):
    changed = {
        k: factor * settings[k] for k in ("epsilon", "step_size") if k in settings
    }
    if settings["perturbation"] in ("fog", "snow", "gabor"):
        changed["step_size"] = settings["step_size"]
    if "parts" in settings:
        changed["parts"] = [scaled(part, factor) for part in settings["parts"]]
    return settings | changed


@pytest.mark.parametrize(
    "case", [c for c in EXACT if c != "nothing" and "fog" not in c and c != "snow"]
)
def test_a_larger_budget_does_more(edit, case, monkeypatch):
    batch, gains = a_batch(case), []
    for factor in (0.25, 0.5, 1.0):
        monkeypatch.setitem(CASES, "scaled", scaled(CASES[case], factor))
        gains.append(climbed(edit("scaled"), batch, 20, curved=False).mean())
    assert gains[0] < gains[1] < gains[2]


@pytest.mark.parametrize("case", [c for c in CASES if c != "nothing"])
def test_more_steps_do_more(edit, case):
    batch, perturbation = a_batch(case), edit(case)
    before, after = (climbed(perturbation, batch, n, curved=True) for n in (1, 20))
    assert after.mean() > before.mean()


def test_a_latent_edit_adds_to_the_latents_of_the_image(edit, generators):
    batch, generator = a_batch(), generators["glow"]
    latents = generator.encode(batch.images)
    addition = 0.01 * rng(0, "addition").normal(latents.shape)
    edited = edit("latent of a Glow").apply(batch, [addition])
    expected = generator.decode(latents + addition).clamp(0, 1)
    assert torch.allclose(edited, expected, atol=1e-5)


@pytest.mark.parametrize("level", [1, 2])
def test_an_edit_of_one_level_leaves_the_others(edit, generators, level):
    """IJSAT eq. 14."""
    batch, generator = a_batch(), generators["glow"]
    perturbation = edit("latent of one level of a Glow", level=level)
    (found,) = perturbation.start(batch, rng(0))
    with_own = generator.encode(batch.images)
    with_own[:, generator.level_slices[level - 1]] += found
    expected = generator.decode(with_own).clamp(0, 1)
    assert torch.allclose(perturbation.apply(batch, [found]), expected, atol=1e-5)


@pytest.mark.parametrize("generator", ["toy", "glow"])
def test_a_level_that_does_not_exist_is_told(edit, generators, generator):
    perturbation = edit(
        "latent of one level of a Glow", level=9, generator=generators[generator]
    )
    with pytest.raises(PipelineError, match="level 9"):
        perturbation.start(a_batch(), rng(0))


@pytest.mark.parametrize("case", ["together", "together, cut in between"])
def test_a_joint_edit_is_cut_once_as_in_the_paper_or_in_between_too(edit, case):
    """IJSAT section 3: clip(G(z + λ) + δ), on images of which many pixels leave [0, 1]."""
    white = Batch(torch.ones(4, 3, 8, 8), torch.arange(4) % 3)
    joint, bare = edit(case), edit("latent", boxed=False, epsilon=1.0)
    (on_manifold,) = bare.start(white, rng(0))
    on_pixels = -EPSILON * torch.ones_like(white.images)
    decoded = bare.apply(white, [on_manifold])
    assert (decoded > 1).float().mean() > 0.2
    first = decoded if case == "together" else decoded.clamp(0, 1)
    expected = (first + on_pixels).clamp(0, 1)
    edited = joint.apply(white, [on_manifold, on_pixels])
    assert torch.allclose(edited, expected)
    assert torch.equal(edited, (decoded + on_pixels).clamp(0, 1)) == (
        case == "together"
    )


@pytest.mark.parametrize("case", ["alone", "together", "in_turn", "any", "restarts"])
def test_images_are_encoded_once_an_attack(
    model, batch, toy_generator, monkeypatch, case
):
    """However many steps and starts it has, and though broken images leave."""
    encode = Mock(wraps=toy_generator.encode)
    monkeypatch.setattr(toy_generator, "encode", encode)
    edit = make(
        "perturbation", {"perturbation": "latent", **BALL}, generator=toy_generator
    )
    if case in ("together", "in_turn"):
        pixel = make("perturbation", {"perturbation": "pixel", **BALL})
        edit = make("perturbation", {"perturbation": case}, parts=[edit, pixel])
    options = {"any": {"stop": "any"}, "restarts": {"restarts": 3}}.get(case, {})
    objective = make("objective", {"objective": "cross_entropy"})
    ascend(model, batch, edit, objective, 3, rng(0), **options)
    assert encode.call_count == 1
    assert not batch.latents, "an attack leaves the batch as it was"


@pytest.mark.parametrize("first", ["pixel", "latent of a Glow"])
def test_a_latent_edit_may_follow_another_edit(edit, first, monkeypatch):
    batch, latent = a_batch(), edit("latent")
    monkeypatch.setitem(CASES, "both", several("together", CASES[first], LATENT))
    both = edit("both")
    found = both.start(batch, rng(0))
    before = edit(first).apply(batch, found[:1])
    expected = latent.apply(Batch(before, batch.labels), found[1:])
    assert functional.mse_loss(both.apply(batch, found), expected) < 1e-8
