"""Feature Scattering moves a batch as a whole.

See docs/methods/baselines.md#feature-scattering.
"""

import pytest
import torch
from torch.nn import functional

from pipeline_steps.core import workers
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.threats.batch import Batch


@pytest.fixture
def build(recipe_entry):
    return lambda: build_recipe(recipe_entry("feature_scattering"), {})


def test_it_learns_smoothed_labels_of_what_was_scattered(
    build, toy_images, toy_architecture
):
    batch, recipe = Batch(*toy_images[torch.arange(12)]), build()
    loss = recipe.loss(new_model(toy_architecture, seed=0).train(), batch, rng(0))
    again = new_model(toy_architecture, seed=0).train()
    attacked = recipe.threat(again, batch, rng(0))
    labels = functional.one_hot(batch.labels, 3) * 0.85 + 0.05
    assert torch.equal(loss, functional.cross_entropy(again(attacked), labels))


def test_the_attack_knows_no_label_but_the_neighbours(
    build, toy_images, toy_architecture
):
    images, labels = toy_images[torch.arange(12)]
    model, attack = new_model(toy_architecture, seed=0), build().threat
    whole = attack(model, Batch(images, labels), rng(0))
    assert torch.equal(whole, attack(model, Batch(images, labels.flip(0)), rng(0)))
    others = torch.cat([images[:6], 1 - images[6:]])
    assert not torch.equal(whole[:6], attack(model, Batch(others, labels), rng(0))[:6])


def test_several_processes_are_refused(build, monkeypatch):
    monkeypatch.setattr(workers, "count", lambda: 2)
    with pytest.raises(PipelineError, match="one process must hold them all"):
        build()
