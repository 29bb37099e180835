"""JAT's double pass, against Algorithm 2 written out."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbations.in_turn import InTurn
from pipeline_steps.threats.perturbations.pixel import Pixel
from pipeline_steps.threats.perturbations.together import Together
from pipeline_steps.threats.perturbations.warp import Warp, generalised_sign
from pipeline_steps.threats.victim import Victim
from pipeline_steps.threats.warping import warped

WARP = Warp(epsilon=0.3, step_size=0.15)
PIXEL = Pixel(epsilon=8 / 255, step_size=2 / 255)
FREE = Pixel(epsilon=8 / 255, step_size=2 / 255, boxed=False)


def loss(images):
    """A smooth one, of which no gradient is 0."""
    weights = 3 * rng(0, "weights").normal(images.shape)
    return (weights * images).sin().sum()


def gradient(function, at):
    leaf = at.clone().requires_grad_()
    return torch.autograd.grad(loss(function(leaf)), leaf)[0]


def ascended(edit, batch, steps, found):
    for iteration in range(steps * edit.passes):
        leaves = [p.detach().requires_grad_() for p in found]
        gradients = torch.autograd.grad(loss(edit.apply(batch, leaves)), leaves)
        with torch.no_grad():
            found = edit.step(batch, leaves, gradients, iteration)
    return found


@pytest.fixture
def batch():
    images = rng(0, "images").uniform([3, 3, 8, 8])
    return Batch(0.2 + 0.6 * images, torch.arange(3))


def shortened(flow):
    lengths = flow.square().sum(1, keepdim=True).sqrt()
    return flow * (0.3 / lengths).clamp_max(1)


def within(delta, around):
    delta = delta.clamp(-8 / 255, 8 / 255)
    return (around + delta).clamp(0, 1) - around


def test_spatial_then_pixel_is_algorithm_2(batch):
    edit, x = InTurn([WARP, PIXEL]), batch.images
    flow, delta = start = edit.start(batch, rng(0))

    def place(w):
        return warped(x, w, "grey")

    for _ in range(4):
        sign = generalised_sign(gradient(lambda w, d=delta: place(w) + d, flow))
        flow = shortened(flow + 0.15 * sign)
        sign = gradient(lambda d, w=flow: place(w) + d, delta).sign()
        delta = within(delta + 2 / 255 * sign, place(flow))
    found = ascended(edit, batch, 4, start)
    assert torch.allclose(found[0], flow, atol=1e-5)
    assert torch.allclose(found[1], delta, atol=1e-6)
    assert torch.allclose(edit.apply(batch, found), place(flow) + delta, atol=1e-5)


def test_pixel_then_spatial_is_the_other_order(batch):
    edit, x = InTurn([PIXEL, WARP]), batch.images
    delta, flow = start = edit.start(batch, rng(0))

    def place(d, w):
        return warped(x + d, w, "grey")

    for _ in range(4):
        sign = gradient(lambda d, w=flow: place(d, w), delta).sign()
        delta = within(delta + 2 / 255 * sign, x)
        sign = generalised_sign(gradient(lambda w, d=delta: place(d, w), flow))
        flow = shortened(flow + 0.15 * sign)
    found = ascended(edit, batch, 4, start)
    assert torch.allclose(found[0], delta, atol=1e-6)
    assert torch.allclose(found[1], flow, atol=1e-5)
    assert torch.allclose(edit.apply(batch, found), place(delta, flow), atol=1e-5)


def test_one_pass_moves_both_from_the_same_point(batch):
    """JAT's ablation: a single backward pass for both."""
    edit = Together([WARP, FREE])
    flow, delta = start = edit.start(batch, rng(0))
    found = ascended(edit, batch, 1, start)
    signs = (
        generalised_sign(
            gradient(lambda w: warped(batch.images, w, "grey") + delta, flow)
        ),
        gradient(lambda d: warped(batch.images, flow, "grey") + d, delta).sign(),
    )
    assert torch.allclose(found[0], shortened(flow + 0.15 * signs[0]), atol=1e-5)
    moved = (delta + 2 / 255 * signs[1]).clamp(-8 / 255, 8 / 255)
    assert torch.allclose(found[1], moved, atol=1e-6)


def test_a_step_moves_one_part_only(batch):
    edit = InTurn([WARP, PIXEL])
    found = edit.start(batch, rng(0))
    gradients = [rng(1).normal(p.shape) for p in found]
    for iteration in range(4):
        after = edit.step(batch, found, gradients, iteration)
        turn = iteration % 2
        assert torch.equal(after[1 - turn], found[1 - turn])
        assert not torch.equal(after[turn], found[turn])


def test_each_part_counts_its_own_steps(batch):
    """Frank and Wolfe's step grows smaller with each of its own turns."""
    told = []

    class Counting(Pixel):
        def step(self, batch, parameters, gradients, iteration):
            told.append(iteration)
            return super().step(batch, parameters, gradients, iteration)

    edit = InTurn([WARP, Counting(epsilon=0.1, step_size=0.1)])
    ascended(edit, batch, 3, edit.start(batch, rng(0)))
    assert told == [0, 1, 2]


def test_parts_of_several_parameters_keep_them_together(batch):
    snow = make(
        "perturbation", {"perturbation": "snow", "epsilon": 0.1, "step_size": 0.1}
    )
    edit = InTurn([WARP, snow, PIXEL])
    assert (edit.size, edit.passes) == (4, 3)
    found = edit.start(batch, rng(0))
    gradients = [rng(1).normal(p.shape) for p in found]
    for iteration, moved in enumerate([[0], [1], [3]]):
        after = edit.step(batch, found, gradients, iteration)
        pairs = enumerate(zip(after, found, strict=True))
        assert [n for n, (a, b) in pairs if not torch.equal(a, b)] == moved
    assert functional.mse_loss(edit.apply(batch, found), batch.images) > 0


def ascent(edit, steps):
    entry = {"attack": "ascent", "edit": edit, "steps": steps}
    return make(
        "attack", entry, objective=make("objective", {"objective": "cross_entropy"})
    )


def test_a_cascade_is_one_attack_on_what_another_has_left(model, batch):
    """JAT's table 2: two isolated modules."""
    still, pixel = replace(WARP, start_at="zero"), replace(PIXEL, start_at="zero")
    first, second = ascent(still, 3), ascent(pixel, 2)
    cascade = make("attack", {"attack": "cascade", "parts": [first, second]})
    told = cascade(Victim.of(model), batch, rng(0))
    placed = first(Victim.of(model), batch, rng(0)).images
    expected = second(Victim.of(model), Batch(placed, batch.labels), rng(0)).images
    assert torch.equal(told.images, expected)
    assert torch.equal(told.used, torch.full([3], 5))
    assert (told.images - placed).abs().max() <= 8 / 255 + 1e-6
    assert not torch.equal(placed, batch.images)


def test_a_cascade_of_nothing_leaves_the_images(model, batch):
    told = make("attack", {"attack": "cascade", "parts": []})(
        Victim.of(model), batch, rng(0)
    )
    assert torch.equal(told.images, batch.images)
