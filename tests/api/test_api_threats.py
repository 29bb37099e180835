"""The papers' threats serve any network on images in [0, 1], by their names."""

import doctest

import pytest
import torch
from torch import nn

import pipeline_steps
import robust_papers
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from robust_papers import list_threats, load_threat, threats

LABELS = torch.tensor([0, 1, 2, 0])


@pytest.fixture
def images():
    return rng(0, "images").uniform([4, 3, 16, 16])


@pytest.fixture
def network():
    """One of the user's own, in training mode, with dropout and batch norm."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Dropout(), nn.Linear(8 * 14 * 14, 3),
        )  # fmt: skip


def test_the_example_is_true():
    told = doctest.testmod(threats)
    assert told.attempted == 8
    assert not told.failed


def test_a_network_of_one_s_own_stays_as_it_was(network, images):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    attacked = load_threat("pgd20")(network, images, LABELS)
    assert 0 < (attacked - images).abs().max() <= 8 / 255 + 1e-6
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_an_image_s_attack_belongs_to_its_number(network, images):
    pgd5 = load_threat("pgd5")
    whole = pgd5(network, images, LABELS)
    part = pgd5(network, images[2:], LABELS[2:], first=2)
    assert torch.allclose(whole[2:], part, atol=1e-6)
    assert not torch.equal(whole, pgd5(network, images, LABELS, seed=1))


def test_budgets_are_the_data_set_s_or_one_s_own(network, images):
    for given, epsilon in [
        ({"dataset": "mixed10"}, 4 / 255),
        ({"budgets": {"image": 1 / 255}}, 1 / 255),
    ]:
        attacked = load_threat("pgd20", **given)(network, images, LABELS)
        assert (attacked - images).abs().max().item() == pytest.approx(epsilon)


def test_one_edit_goes_as_far_as_it_is_told(network, images):
    half = load_threat("pgd20", epsilon=4 / 255)
    assert half.spec.edit["step_size"] == pytest.approx(1 / 255)
    attacked = half(network, images, LABELS)
    assert (attacked - images).abs().max().item() == pytest.approx(4 / 255)
    assert load_threat("autoattack", epsilon=0.1, steps=3).threat.attack.steps == 3
    assert load_threat("pgd20", steps=3).spec.steps == 3
    assert load_threat("pgd20", epsilon=0.1, step_size=0.05).spec.edit == {
        **load_threat("pgd20").spec.edit, "epsilon": 0.1, "step_size": 0.05
    }  # fmt: skip


def test_a_bound_attack_takes_images_and_labels(network, images):
    pgd5 = load_threat("pgd5")
    attack = pgd5(network)
    assert torch.equal(attack(images, LABELS), pgd5(network, images, LABELS))


def test_every_threat_is_listed_and_described():
    threats = list_threats()
    assert len(threats) > 150
    assert threats["fgsm"].startswith("FGSM")
    assert all(threats.values())


def test_public_names_are_the_same_from_both_packages():
    assert set(robust_papers.__all__) == pipeline_steps.PUBLIC
    assert all(name in dir(robust_papers) for name in robust_papers.__all__)
    from pipeline_steps import load_threat as from_the_pipeline

    assert from_the_pipeline is load_threat
    assert all(getattr(robust_papers, n).__doc__ for n in robust_papers.__all__)


def test_a_manifold_s_threat_takes_the_generator(network, images, toy_generator):
    images = images[:, :, :8, :8]
    network[-1] = nn.Linear(8 * 6 * 6, 3)
    jsa = load_threat("jsa10", generator=toy_generator)
    assert (jsa(network, images, LABELS) - images).abs().max() > 8 / 255
    with pytest.raises(PipelineError, match=r'give it as load_threat\("jsa10", gen'):
        load_threat("jsa10")


def test_a_transferred_threat_takes_the_network_it_is_crafted_on(network, images):
    elsewhere = load_threat("fgsm-from-at", crafted_on=network)
    there = load_threat("fgsm")(network, images, LABELS)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
    assert torch.allclose(elsewhere(flat, images, LABELS), there)
    with pytest.raises(PipelineError, match="is crafted on at; give that network"):
        load_threat("fgsm-from-at")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "pgd21"}, "there is no threat 'pgd21'; did you mean 'pgd20'"),
        ({"dataset": "cifar11"}, "there is no dataset 'cifar11'"),
        ({"budgets": {"pixels": 0.1}}, "there is no budget 'pixels'"),
        ({"budgets": {"image": 8}}, "the budget 'image' is 8"),
        ({"budgets": 0.1}, r'write budgets={"image": 0.1}, or epsilon=0.1'),
        ({"epsilon": 8}, "epsilon is 8, but images are in"),
        ({"steps": 2.5}, "steps=2.5 is not a number of steps"),
        ({"steps": -1}, "steps=-1 is not a number of steps"),
        (
            {"name": "jsa10", "epsilon": 0.1},
            "2 parts, each with its own epsilon; say how far each",
        ),
        ({"name": "rays10k", "steps": 5}, "rays10k has no steps to be changed"),
    ],
)
def test_a_name_that_is_not_known_is_told(given, told):
    with pytest.raises(PipelineError, match=told):
        load_threat(**{"name": "pgd20", **given})


def test_images_that_are_not_in_0_to_1_are_refused(network, images):
    with pytest.raises(PipelineError, match=r"must be in \[0, 1\]"):
        load_threat("pgd20")(network, 255 * images, LABELS)
    with pytest.raises(PipelineError, match="4 images came with 3 labels"):
        load_threat("pgd20")(network, images, LABELS[:3])
