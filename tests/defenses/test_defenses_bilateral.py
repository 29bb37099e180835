"""Bilateral's labels are those of docs/methods/baselines.md#bilateral, and so are JAT's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pipeline_steps.core.rng import rng
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.defenses.smoothing import adversarial_labels
from pipeline_steps.threats.batch import Batch


def test_labels_by_hand():
    """Losses 1, 2, 3 and 4 of four classes, of which the second is true."""
    losses = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    probabilities = (-losses).exp()
    logits = torch.cat([probabilities, 1 - probabilities.sum(1, keepdim=True)], 1).log()
    told = adversarial_labels(logits, torch.tensor([1]), beta=9, gamma=0.5)
    fifth = -logits[0, 4].item()  # whose loss is the least: 0.84
    above = torch.tensor([1 - fifth, 0, 3 - fifth, 4 - fifth, 0]) + 0.5
    above[1] = 0
    mass = 1 / (1 + 9 * above.max() / above.sum())
    expected = mass * above / above.sum()
    expected[1] = 1 - mass
    assert torch.allclose(told[0], expected, atol=1e-5)


@given(st.integers(0, 1000), st.integers(3, 12), st.floats(0.1, 20), st.floats(0.1, 30))
@settings(max_examples=60, deadline=None)
def test_labels_stay_in_their_bounds(seed, classes, beta, spread):
    """The wrong classes' mass lies between 1/(1 + β) and 1/(1 + β/(C - 1))."""
    draw = rng(seed, "labels")
    logits, labels = spread * draw.normal([8, classes]), draw.integers(0, classes, [8])
    told = adversarial_labels(logits, labels, beta, gamma=0.01)
    assert torch.allclose(told.sum(1), torch.ones(8), atol=1e-5)
    assert told.min() >= 0
    mass = 1 - told.gather(1, labels[:, None])[:, 0]
    low, high = 1 / (1 + beta), 1 / (1 + beta / (classes - 1))
    assert mass.min() > low - 1e-5
    assert mass.max() < high + 1e-5


def test_equal_losses_give_half_of_the_mass_away():
    told = adversarial_labels(torch.zeros(1, 10), torch.tensor([3]), 9, 0.01)
    expected = torch.full([1, 10], 0.5 / 9)
    expected[0, 3] = 0.5
    assert torch.allclose(told, expected, atol=1e-6)


def test_a_likelier_wrong_class_is_given_less():
    logits = torch.tensor([[5.0, 3.0, 1.0, -1.0]])
    told = adversarial_labels(logits, torch.tensor([0]), 9, 0.01)[0]
    assert told[0] > told[3] > told[2] > told[1] > 0


JOINT = {
    "perturbation": "in_turn",
    "parts": [
        {"perturbation": "warp", "epsilon": 0.3, "step_size": 0.3},
        {"perturbation": "pixel", "epsilon": 0.05, "step_size": 0.05},
    ],
}


@pytest.mark.parametrize(
    ("edit", "target"), [(JOINT["parts"][1], "likeliest"), (JOINT, "random")]
)
def test_images_and_labels_are_both_attacked(
    edit, target, toy_images, toy_architecture
):
    """Bilateral, and JAT's Algorithm 3, where the images' attack is a joint one."""
    objective = {"objective": "targeted", "target": target}
    threat = {"edit": edit, "objective": objective, "steps": 1}
    recipe = build_recipe({"recipe": "bilateral", "threat": threat}, {})
    batch = Batch(*toy_images[torch.arange(12)])
    model = new_model(toy_architecture, seed=0).train()
    loss = recipe.loss(model, batch, rng(0))
    again = new_model(toy_architecture, seed=0)
    clean = again.eval()(batch.images)
    labels = adversarial_labels(clean, batch.labels, 9, 0.01)
    attacked = recipe.threat(again, batch, rng(0))
    assert (attacked - batch.images).abs().max() > 0.04
    expected = functional.cross_entropy(again.train()(attacked), labels)
    assert torch.equal(loss, expected)
