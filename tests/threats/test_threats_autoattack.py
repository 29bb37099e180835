"""AutoAttack's parts and RayS, against closed forms, and what they owe each other."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.threats.attacks.apgd import difference_of_logits
from pipeline_steps.threats.attacks.fab import to_plane
from pipeline_steps.threats.attacks.square import Square
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Victim

ATTACKS = {
    "apgd": {"attack": "apgd", "steps": 20},
    "apgd-t": {"attack": "apgd", "loss": "targeted", "steps": 20, "targets": 3},
    "fab": {"attack": "fab", "steps": 20, "targets": 3},
    "square": {"attack": "square", "queries": 100},
    "rays": {"attack": "rays", "queries": 150},
    "autoattack": {"attack": "autoattack", "steps": 10, "queries": 40, "targets": 3},
}
every_attack = pytest.mark.parametrize("name", ATTACKS)


def attack(name, epsilon, **more):
    """An attack on networks just as they are."""
    run = make("attack", {**ATTACKS[name], "epsilon": epsilon, **more})
    return lambda model, *rest: run(Victim.of(model), *rest)


def told_of(name, defense, count=30, **more):
    draw = image_rng(0, range(count), "attack")
    run = attack(name, defense.epsilon, **more)
    return run(defense.model, defense.first(count), draw)


class Plane(nn.Module):
    """Linear logits: what an attack can reach is known exactly."""

    def __init__(self, classes=5, size=6):
        super().__init__()
        self.layer = nn.Linear(size * size, classes)
        with torch.no_grad():
            self.layer.weight.copy_(rng(0, "weight").normal(self.layer.weight.shape))

    def forward(self, images):
        return self.layer(images.flatten(1))

    def distance(self, images, labels):
        """How far in L∞ the nearest other class is, where no bound is near."""
        logits, weight = self(images), self.layer.weight
        gaps = logits.gather(1, labels[:, None]) - logits
        slopes = (weight[labels][:, None] - weight[None]).abs().sum(dim=2)
        ways = (gaps / slopes).scatter(1, labels[:, None], torch.inf)
        return ways.amin(dim=1).detach()


@pytest.fixture(scope="module")
def plane():
    """A linear model, and images that it gets right, far from 0 and 1."""
    model = Plane()
    images = 0.3 + 0.4 * rng(0, "images").uniform([40, 1, 6, 6])
    return model, Batch(images, model(images).argmax(dim=1))


@pytest.mark.parametrize("name", ["apgd", "apgd-t", "fab"])
def test_of_a_linear_model_exactly_what_can_be_reached_is_broken(plane, name):
    model, batch = plane
    distance = model.distance(batch.images, batch.labels)
    epsilon = float(distance.median())
    more = {} if name == "apgd" else {"targets": 4}
    run = attack(name, epsilon, steps=60, **more)
    told = run(model, batch, image_rng(0, range(40), "attack"))
    near, far = distance < 0.97 * epsilon, distance > 1.001 * epsilon
    assert (told.broken_by[near] == 1).all()
    assert (told.broken_by[far] == -1).all()


def test_rays_finds_the_nearest_class_of_a_linear_model(plane):
    """Along the best signs it comes as close as its tolerance allows; never closer."""
    model, batch = plane
    distance = model.distance(batch.images, batch.labels)
    epsilon = float(distance.median())
    told = attack("rays", epsilon, queries=2000)(model, batch, rng(0))
    assert (told.broken_by[distance > 1.001 * epsilon] == -1).all()
    assert (told.broken_by[distance < 0.8 * epsilon] == 1).all()


def test_square_breaks_much_of_what_can_be_reached_and_nothing_else(plane):
    model, batch = plane
    distance = model.distance(batch.images, batch.labels)
    epsilon = float(distance.median())
    draw = image_rng(0, range(40), "attack")
    told = attack("square", epsilon, queries=2000)(model, batch, draw)
    assert (told.broken_by[distance > 1.001 * epsilon] == -1).all()
    assert (told.broken_by[distance < 0.7 * epsilon] == 1).float().mean() > 0.8


@given(st.integers(0, 10_000), st.floats(0.01, 3))
@settings(max_examples=30, deadline=None)
def test_the_way_to_a_plane_is_the_shortest_within_the_box(seed, reach):
    """The linear program that defines it, solved by SciPy."""
    draw, size = rng(seed, "plane"), 6
    point = draw.uniform([1, 1, 2, 3]).double()
    slope = draw.normal([1, 1, 2, 3]).double()
    gap = torch.tensor([reach], dtype=torch.double) * (1 if seed % 2 else -1)
    way = to_plane(point, slope, gap).flatten().numpy()
    values, weights = point.flatten().numpy(), slope.flatten().numpy()
    assert (values + way >= -1e-9).all()
    assert (values + way <= 1 + 1e-9).all()
    identity, one = np.eye(size), -np.ones((size, 1))
    found = linprog(
        [*np.zeros(size), 1],
        A_ub=np.block([[identity, one], [-identity, one]]),
        b_ub=np.zeros(2 * size),
        A_eq=[[*weights, 0]],
        b_eq=[-float(gap)],
        bounds=[(-v, 1 - v) for v in values] + [(0, None)],
    )
    if found.success:
        assert float(weights @ way) == pytest.approx(-float(gap), abs=1e-6)
        assert abs(way).max() == pytest.approx(found.fun, abs=1e-6)
    else:
        expected = np.where(np.sign(-float(gap)) * weights > 0, 1, 0)
        assert np.allclose(values + way, expected)


def test_the_difference_of_logits_does_not_see_shift_and_scale():
    logits = rng(0, "logits").normal([8, 6]).double()
    classes, targets = torch.arange(8) % 6, (torch.arange(8) + 1) % 6
    once = difference_of_logits(logits, classes, targets)
    again = difference_of_logits(7 * logits + 3, classes, targets)
    assert torch.allclose(once, again)
    assert torch.equal(once > 0, logits[range(8), targets] > logits[range(8), classes])


def test_the_targeted_loss_says_what_it_needs(batch, model):
    with pytest.raises(PipelineError, match="needs at least four classes"):
        labels = model.eval()(batch.images).argmax(dim=1)
        attack("apgd-t", 0.01)(model, Batch(batch.images, labels), rng(0))


@every_attack
def test_an_attack_stays_in_its_budget_and_says_what_it_broke(defense, name):
    told, batch = told_of(name, defense), defense.first(30)
    assert told.images.min() >= 0
    assert told.images.max() <= 1
    assert (told.images - batch.images).abs().max() <= defense.epsilon + 1e-6
    wrong = defense.model(told.images).argmax(dim=1) != batch.labels
    assert torch.equal(wrong, told.broken_by >= 0)
    clean = defense.model(batch.images).argmax(dim=1) != batch.labels
    assert torch.equal(clean, told.broken_by == 0)
    untouched = told.broken_by <= 0
    assert torch.equal(told.images[untouched], batch.images[untouched])
    assert (told.used[clean] == 0).all()
    assert (told.used[~clean] > 0).all()
    assert (told.broken_by > 0).any()


@every_attack
def test_an_image_s_fate_does_not_depend_on_its_neighbours(defense, name):
    whole = told_of(name, defense)
    rows = [21, 3, 14, 5]
    run = attack(name, defense.epsilon)
    part = defense.batch.take(torch.tensor(rows))
    again = run(defense.model, part, image_rng(0, rows, "attack"))
    assert torch.equal(whole.broken_by[rows], again.broken_by)
    assert torch.allclose(whole.images[rows], again.images, atol=1e-5)


@every_attack
def test_an_attack_comes_out_the_same_again_and_leaves_everything_else(defense, name):
    state, mode = torch.get_rng_state(), defense.model.training
    one, two = told_of(name, defense, 10), told_of(name, defense, 10)
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.used, two.used)
    assert torch.equal(torch.get_rng_state(), state)
    assert defense.model.training == mode


@every_attack
@pytest.mark.parametrize("count", [0, 1])
def test_the_smallest_batches_are_attacked_too(defense, name, count):
    told = told_of(name, defense, count)
    assert len(told.images) == len(told.used) == len(told.broken_by) == count


@every_attack
def test_where_nothing_is_right_nothing_is_asked(defense, name):
    batch = defense.first(8)
    hopeless = Batch(batch.images, (defense.model(batch.images).argmax(dim=1) + 1) % 10)
    told = attack(name, defense.epsilon)(defense.model, hopeless, rng(0))
    assert (told.broken_by == 0).all()
    assert (told.used == 0).all()


@every_attack
def test_a_threat_of_this_kind_is_built_from_its_spec(defense, name):
    spec = ThreatSpec(**ATTACKS[name], epsilon=defense.epsilon)
    draw = image_rng(0, range(10), "attack")
    edited = build_threat(spec, {})(defense.model, defense.first(10), draw)
    assert torch.equal(edited, told_of(name, defense, 10).images)


def test_a_larger_budget_breaks_more(defense):
    def broken(epsilon):
        run = attack("autoattack", epsilon)
        draw = image_rng(0, range(30), "attack")
        return int((run(defense.model, defense.first(30), draw).broken_by >= 0).sum())

    counts = [broken(defense.epsilon * share) for share in (0.25, 0.75, 1.5)]
    assert counts[0] < counts[1] <= counts[2]


def test_the_parts_of_autoattack_see_only_what_is_left(defense):
    """Each part breaks what it would break alone of the survivors of those before it."""
    told = told_of("autoattack", defense)
    assert told.parts == ("clean", "apgd-ce", "apgd-t", "fab-t", "square")
    alone = told_of("apgd", defense, steps=10)
    assert torch.equal(told.broken_by == 1, alone.broken_by == 1)
    for number in range(2, 5):
        here, later = told.broken_by == number, told.broken_by > number
        before = told.broken_by == number - 1
        if here.any() and before.any():
            assert told.used[here].min() > told.used[before].min()
        if later.any() and here.any():
            assert told.used[later].min() > told.used[here].min()


def test_autoattack_does_no_less_than_pgd(defense):
    pixel = {"perturbation": "pixel", "epsilon": defense.epsilon}
    spec = ThreatSpec(
        edit={**pixel, "step_size": defense.epsilon / 4},
        objective={"objective": "cross_entropy"},
        steps=50,
    )
    draw = image_rng(0, range(60), "attack")
    pgd = build_threat(spec, {})(defense.model, defense.first(60), draw)
    full = told_of("autoattack", defense, 60, steps=100, queries=200, targets=9)
    assert defense.accuracy(full.images) <= defense.accuracy(pgd)


def test_squares_grow_smaller_as_published():
    sides = [Square(epsilon=0.1)._side(query, 32, 32) for query in range(5000)]
    areas = {0: 0.8, 6: 0.4, 26: 0.2, 101: 0.1, 251: 0.05, 501: 0.025, 4999: 0.8 / 512}
    for query, area in areas.items():
        assert sides[query] == max(round((area * 1024) ** 0.5), 1)
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("queries", [1, 7, 60])
def test_no_more_is_asked_than_allowed(defense, queries):
    rays = told_of("rays", defense, queries=queries)
    square = told_of("square", defense, queries=queries)
    assert rays.used.max() <= queries
    assert square.used.max() <= queries + 1, "the stripes are asked for first"
