"""On a trained network our attacks are as strong as their peers', image by image.

torchattacks is no dependency, since it pins an old requests; its tests run where it was
installed beside the rest (`pip install --no-deps torchattacks`).
"""

import foolbox
import pytest
import torch

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import image_rng
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

COUNT = 100
# Points of accuracy.
ROOM = 1.0


@pytest.fixture(scope="session")
def torchattacks():
    return pytest.importorskip("torchattacks", reason="torchattacks is not installed")


def ascent(defense, steps, objective="cross_entropy", step=0.25, **more):
    epsilon, options = defense.epsilon, {"start_at": "zero"}
    edit = {"perturbation": "pixel", "epsilon": epsilon, "step_size": step * epsilon}
    spec = {"edit": {**edit, **options}, "objective": {"objective": objective}}
    return spec | {"steps": steps} | more


def edited(defense, spec):
    threat = build_threat(ThreatSpec(**spec), {})
    draw = image_rng(0, range(COUNT), "attack")
    return threat(defense.model, defense.first(COUNT), draw)


@pytest.mark.parametrize("steps", [5, 20])
def test_pgd_is_foolbox_s(defense, steps):
    attack = foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=steps, random_start=False)
    batch = defense.first(COUNT)
    peer = foolbox.PyTorchModel(defense.model, bounds=(0, 1), device="cpu")
    theirs, _, _ = attack(peer, batch.images, batch.labels, epsilons=defense.epsilon)
    ours = edited(defense, ascent(defense, steps))
    assert defense.accuracy(ours) == pytest.approx(defense.accuracy(theirs), abs=ROOM)
    same = torch.isclose(ours, theirs, atol=1e-5).flatten(1).all(dim=1)
    assert same.float().mean() > 0.95
    assert 5 < defense.accuracy(ours) < 90


def test_fgsm_is_foolbox_s(defense):
    attack, batch = foolbox.attacks.LinfFastGradientAttack(), defense.first(COUNT)
    peer = foolbox.PyTorchModel(defense.model, bounds=(0, 1), device="cpu")
    theirs, _, _ = attack(peer, batch.images, batch.labels, epsilons=defense.epsilon)
    ours = edited(defense, ascent(defense, 1, step=1.0))
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_nearest_boundary_is_not_farther_than_deepfool_s(defense):
    """FAB within a budget breaks what foolbox's DeepFool breaks, and more."""
    attack, batch = foolbox.attacks.LinfDeepFoolAttack(steps=50), defense.first(COUNT)
    peer = foolbox.PyTorchModel(defense.model, bounds=(0, 1), device="cpu")
    theirs, _, _ = attack(peer, batch.images, batch.labels, epsilons=None)
    far = (theirs - batch.images).abs().flatten(1).amax(dim=1)
    wrong = defense.model(theirs).argmax(dim=1) != batch.labels
    ours = edited(defense, {"attack": "fab", "epsilon": defense.epsilon})
    left = 100 * float((~(wrong & (far <= defense.epsilon))).float().mean())
    assert defense.accuracy(ours) <= left + ROOM


@pytest.mark.parametrize(
    ("spec", "peer", "settings"),
    [
        ({}, "PGD", {"steps": 20, "random_start": False}),
        ({"momentum": 1.0}, "MIFGSM", {"steps": 20, "decay": 1.0}),
    ],
)
def test_an_ascent_is_torchattacks_s(torchattacks, defense, spec, peer, settings):
    epsilon, batch = defense.epsilon, defense.first(COUNT)
    attack = getattr(torchattacks, peer)
    theirs = attack(defense.model, eps=epsilon, alpha=epsilon / 4, **settings)
    theirs = theirs(batch.images, batch.labels)
    ours = edited(defense, ascent(defense, 20, **spec))
    assert defense.accuracy(ours) == pytest.approx(defense.accuracy(theirs), abs=ROOM)
    same = torch.isclose(ours, theirs, atol=1e-5).flatten(1).all(dim=1)
    assert same.float().mean() > 0.95


def left_by(defense, theirs):
    """Which images a peer's edits leave right, counting only those within the budget."""
    batch = defense.first(COUNT)
    far = (theirs - batch.images).abs().flatten(1).amax(dim=1)
    wrong = defense.model(theirs).argmax(dim=1) != batch.labels
    return ~(wrong & (far <= defense.epsilon + 1e-6))


def left_by_us(defense, spec):
    images = edited(defense, {**spec, "epsilon": defense.epsilon})
    return defense.model(images).argmax(dim=1) == defense.first(COUNT).labels


def test_apgd_from_the_same_start_is_torchattacks_s(torchattacks, defense, monkeypatch):
    batch = defense.first(COUNT)
    right = defense.model(batch.images).argmax(dim=1) == batch.labels
    draw = image_rng(0, range(COUNT), "attack").uniform(batch.images.shape)[right]
    ours = left_by_us(defense, {"attack": "apgd"})
    monkeypatch.setattr(torch, "rand", lambda shape, **_: draw.clone())
    attack = torchattacks.APGD(defense.model, eps=defense.epsilon, steps=100)
    theirs = left_by(defense, attack(batch.images, batch.labels))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("spec", "peer", "settings"),
    [
        ({"attack": "apgd", "loss": "targeted"}, "APGDT", {"seed": 0}),
        ({"attack": "fab"}, "FAB", {"multi_targeted": True}),
    ],
)
def test_a_part_of_autoattack_is_torchattacks_s(
    torchattacks, defense, spec, peer, settings
):
    batch, settings = defense.first(COUNT), {"steps": 100, "n_classes": 10} | settings
    attack = getattr(torchattacks, peer)(defense.model, eps=defense.epsilon, **settings)
    theirs = left_by(defense, attack(batch.images, batch.labels))
    ours = left_by_us(defense, spec)
    assert abs(int(ours.sum()) - int(theirs.sum())) <= ROOM
    assert (ours == theirs).float().mean() >= 0.97


def test_square_is_as_strong_as_torchattacks_s(torchattacks, defense):
    """On the average of some seeds: a batch shares its squares there, and not here."""
    batch, counts = defense.first(COUNT), []
    for seed in range(4):
        attack = torchattacks.Square(
            defense.model, eps=defense.epsilon, n_queries=1000, seed=seed
        )
        counts.append(int(left_by(defense, attack(batch.images, batch.labels)).sum()))
    ours = left_by_us(defense, {"attack": "square", "queries": 1000})
    assert int(ours.sum()) <= sum(counts) / 4 + 2 * ROOM


def test_the_margin_s_attack_is_the_published_loop(defense):
    """CW as in the code of Feature Scattering and ATLD: confidence 50."""
    batch, epsilon = defense.first(COUNT), defense.epsilon
    point, margin = batch.images, make("objective", {"objective": "margin"})
    for _ in range(20):
        leaf = point.clone().requires_grad_()
        logits = defense.model(leaf)
        one_hot = torch.nn.functional.one_hot(batch.labels, 10)
        own = (one_hot * logits).sum(dim=1)
        other = ((1 - one_hot) * logits - 1e4 * one_hot).max(dim=1).values
        loss = -torch.relu(own - other + 50).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        moved = point + epsilon / 4 * gradient.sign()
        point = moved.clamp(batch.images - epsilon, batch.images + epsilon).clamp(0, 1)
    assert margin.confidence == 50
    ours = edited(defense, ascent(defense, 20, objective="margin"))
    assert defense.accuracy(ours) == pytest.approx(defense.accuracy(point), abs=ROOM)
    same = torch.isclose(ours, point, atol=1e-5).flatten(1).all(dim=1)
    assert same.float().mean() > 0.95
