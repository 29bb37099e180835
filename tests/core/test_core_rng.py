"""Randomness belongs to names: the same ones give the same numbers, whatever happens."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.core.seeds import derive

LABELS = st.lists(st.text("abc", max_size=3) | st.integers(0, 20), max_size=4)


@given(seed=st.integers(0, 99), labels=LABELS)
@settings(max_examples=50, deadline=None)
def test_the_same_labels_give_the_same_stream(seed, labels):
    one, two = rng(seed, *labels), rng(seed, *labels)
    for draw in ("uniform", "normal"):
        assert torch.equal(getattr(one, draw)([5]), getattr(two, draw)([5]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "a"), (1, "a")),
        ((0, "a"), (0, "b")),
        ((0, "a", "b"), (0, "b", "a")),
        ((0, "ab"), (0, "a", "b")),
        ((0, "epoch", 1, 2), (0, "epoch", 12)),
        ((1, 0), (10,)),
    ],
)
def test_other_labels_or_another_order_give_another_stream(one, other):
    assert derive(*one) != derive(*other)
    assert not torch.equal(rng(*one).uniform([5]), rng(*other).uniform([5]))


def test_what_is_drawn_earlier_elsewhere_changes_nothing():
    alone = rng(0, "late").permutation(9)
    rng(0, "early").normal([100])
    assert torch.equal(rng(0, "late").permutation(9), alone)


@given(cuts=st.sets(st.integers(1, 11), max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_batch_can_be_cut_anywhere_without_changing_an_image_s_numbers(cuts):
    whole = image_rng(7, range(12), "attack")
    expected = [whole.uniform([12, 2, 3]), whole.normal([12, 4])]
    edges = [0, *sorted(cuts), 12]
    parts = [image_rng(7, range(a, b), "attack") for a, b in pairwise(edges)]
    uniform = [part.uniform([len(part.streams), 2, 3]) for part in parts]
    normal = [part.normal([len(part.streams), 4]) for part in parts]
    assert torch.equal(torch.cat(uniform), expected[0])
    assert torch.equal(torch.cat(normal), expected[1])


def test_each_image_has_numbers_of_its_own():
    rows = image_rng(0, range(50), "attack").uniform([50, 8])
    assert len({tuple(row.tolist()) for row in rows}) == 50


def test_an_image_stream_refuses_a_batch_of_another_size():
    with pytest.raises(ValueError, match="3 images"):
        image_rng(0, range(3)).uniform([4, 2])


@pytest.mark.parametrize("tau", [0.1, 0.5, 1.0])
def test_mixing_weights_are_beta_distributed(tau):
    """The bound is Kolmogorov's; float32 has no numbers closer to 1 than 6e-8, so the
    distribution functions are compared away from the ends."""
    count, doubt = 40_000, 1e-6
    drawn = np.sort(rng(0, "beta", str(tau)).beta(tau, tau, [count]).numpy())
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    places = np.concatenate([np.logspace(-8, -1, 50), np.linspace(0.1, 1 - 1e-6, 200)])
    measured = np.searchsorted(drawn, places, side="right") / count
    apart = np.abs(measured - stats.beta(tau, tau).cdf(places)).max()
    assert apart < math.sqrt(math.log(2 / doubt) / (2 * count))


def test_how_many_numbers_a_beta_takes_depends_on_no_value():
    one, two = rng(0, "same"), rng(0, "same")
    one.beta(0.1, 0.1, [4])
    two.beta(1.0, 1.0, [4])
    assert torch.equal(one.uniform([3]), two.uniform([3]))


@pytest.mark.parametrize(("a", "b"), [(1.5, 1.0), (0.5, 2.0)])
def test_a_beta_that_the_method_cannot_draw_is_refused(a, b):
    with pytest.raises(ValueError, match="outside"):
        rng(0).beta(a, b, [2])


def test_no_draw_touches_the_state_of_the_process():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    stream = rng(0, "anything")
    stream.uniform([2]), stream.normal([2]), stream.permutation(3)
    stream.integers(0, 5, [2]), stream.beta(0.1, 0.1, [2])
    image_rng(0, range(3)).normal([3, 2])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_some_images_go_on_with_streams_of_their_own():
    """What the others draw, or that they draw no more, changes nothing for them."""
    whole, part = image_rng(0, range(4), "attack"), image_rng(0, range(4), "attack")
    some = torch.tensor([3, 1])
    assert torch.equal(whole.uniform([4, 2]), part.uniform([4, 2]))
    later = whole.normal([4, 3])
    assert torch.equal(part.take(some).normal([2, 3]), later[some])
    assert torch.equal(part.take(some).normal([2, 3]), whole.normal([4, 3])[some])
    stream = rng(0, "batch")
    assert stream.take(some) is stream
