"""Inference with manifold transformation is that of docs/methods/atld.md, and loads with
its weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.load import load_model, new_model
from pipeline_steps.threats.victim import Transformed

IMT = {"inference": "manifold_transformation", "epsilon": 0.1, "step_size": 0.1}


class Linear(nn.Linear):
    """Of whatever has so many numbers, by weights from its sizes."""

    def __init__(self, inside, outside):
        super().__init__(inside, outside)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(rng(outside, name).normal(parameter.shape))

    def forward(self, images):
        return super().forward(images.flatten(1))


@pytest.fixture
def static():
    model = Linear(12, 3)
    model.companion = Linear(3, 4)
    return model.requires_grad_(False)


@pytest.fixture
def images():
    return rng(0, "images").uniform([40, 3, 2, 2])


def transformed(static, **more):
    return Transformed(static, make("inference", {**IMT, **more}))


def natural(static, images):
    return static.companion(static(images))[:, 0]


def uphill(static, images):
    """Where the discriminator finds an image more natural: a linear model's weights."""
    weight = static.companion.weight[0] @ static.weight
    return weight.sign().view(1, 3, 2, 2).expand_as(images)


def test_full_imt_is_one_step_to_the_natural_side(static, images):
    moved = transformed(static).inference(static, images)
    expected = (images + 0.1 * uphill(static, images)).clamp(0, 1)
    assert torch.allclose(moved, expected, atol=1e-6)
    assert (natural(static, moved) >= natural(static, images)).all()


def test_the_step_is_halved_where_the_discriminator_is_unsure(static, images):
    moved = transformed(static, halved=[0.3, 0.7]).inference(static, images)
    verdict = natural(static, images).sigmoid()
    unsure = (verdict > 0.3) & (verdict < 0.7)
    assert 0 < unsure.sum() < 40
    step = torch.where(unsure, 0.05, 0.1)[:, None, None, None]
    expected = (images + step * uphill(static, images)).clamp(0, 1)
    assert torch.allclose(moved, expected, atol=1e-6)


def test_a_step_beyond_the_ball_is_cut_so_that_halving_it_does_nothing(static, images):
    """The code's setting for FGSM: four budgets a step."""
    wide = {"step_size": 0.4}
    full, halved = (
        transformed(static, **wide, **more).inference(static, images)
        for more in ({}, {"halved": [0.3, 0.7]})
    )
    assert torch.equal(full, halved)
    assert (full - images).abs().max() <= 0.1 + 1e-6


def test_the_code_for_svhn_halves_the_ball_too(static, images):
    """So that halving tells there even of four budgets a step, as under FGSM."""
    wide = {"step_size": 0.4, "halved": [0.3, 0.7]}
    moved = transformed(static, **wide, halves_ball=True).inference(static, images)
    verdict = natural(static, images).sigmoid()
    unsure = (verdict > 0.3) & (verdict < 0.7)
    ball = torch.where(unsure, 0.05, 0.1)[:, None, None, None]
    expected = (images + ball * uphill(static, images)).clamp(0, 1)
    assert torch.allclose(moved, expected, atol=1e-6)
    inside = {"halved": [0.3, 0.7]}
    one, other = (
        transformed(static, **inside, halves_ball=ball).inference(static, images)
        for ball in (False, True)
    )
    assert torch.equal(one, other), "a step of the budget is inside either ball"


def test_a_model_without_a_discriminator_is_one_sentence(static, images):
    with pytest.raises(PipelineError, match="this model has none as its `companion`"):
        transformed(static).inference(nn.Flatten(), images)


def test_gradients_pass_as_if_nothing_were_changed(static, images):
    """BPDA: the forward pass goes through the inference, the backward one past it."""
    defense = transformed(static)
    leaf = images.clone().requires_grad_()
    labels = torch.zeros(40, dtype=torch.long)
    logits = defense(leaf)
    (told,) = torch.autograd.grad(functional.cross_entropy(logits, labels), leaf)
    moved = defense.inference(static, images).requires_grad_()
    assert torch.allclose(logits, static(moved), atol=1e-5)
    loss = functional.cross_entropy(static(moved), labels)
    (expected,) = torch.autograd.grad(loss, moved)
    assert torch.allclose(told, expected, atol=1e-6)


def test_it_answers_without_gradients_and_for_no_image_at_all(static, images):
    with torch.no_grad():
        logits = transformed(static)(images)
        assert transformed(static)(images[:0]).shape == (0, 3)
    assert not logits.requires_grad
    alone = torch.cat([transformed(static)(image[None]) for image in images])
    assert torch.allclose(logits, alone, atol=1e-5)


def test_three_defenses_load_from_one_training(tmp_path, architecture_of, toy_images):
    network = architecture_of("atld")
    model = new_model(network, seed=0)
    write_tensors(tmp_path / "w.safetensors", model.state_dict())
    images, _ = toy_images[torch.arange(8)]
    bare, full = (
        load_model({**network, **more}, tmp_path / "w.safetensors")
        for more in ({}, {"inference": IMT})
    )
    assert torch.equal(bare(images), model.eval()(images))
    moved = full.inference(bare, images)
    assert torch.allclose(full(images), bare(moved), atol=1e-6)
    assert not torch.equal(full(images), bare(images))
    assert not full.training


def test_a_companion_leaves_the_network_s_own_start_alone(
    toy_architecture, architecture_of
):
    alone = new_model(toy_architecture, seed=0).state_dict()
    beside = new_model(architecture_of("atld"), seed=0).state_dict()
    assert all(torch.equal(beside[name], tensor) for name, tensor in alone.items())
    assert all(n in alone or n.startswith("companion.") for n in beside)


def test_a_range_has_two_ends(static):
    with pytest.raises(PipelineError, match="`halved` must be the two ends of a range"):
        transformed(static, halved=[0.3])
