"""Each recipe lowers its own loss, and takes it on the images that its paper names."""

import pytest
import torch
from torch.nn import functional

from pipeline_steps.core.rng import rng
from pipeline_steps.defenses.companion import own_parameters
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.defenses.train_defense import train_defense
from pipeline_steps.threats.batch import Batch

CPU = torch.device("cpu")


@pytest.fixture
def batch(toy_images):
    images, labels = toy_images[torch.arange(24)]
    return Batch(images, labels)


@pytest.fixture
def build(recipe_entry, toy_generator):
    def build(name, **more):
        return build_recipe({**recipe_entry(name), **more}, {"toy": toy_generator})

    return build


def test_a_recipe_lowers_its_loss(
    recipe_name, spec_of, toy_images, toy_generator, tmp_path
):
    spec = spec_of(recipe_name, epochs=8)
    generators = {"toy": toy_generator}
    _, losses = train_defense(spec, toy_images, generators, tmp_path, CPU)
    assert len(losses) == 8
    assert losses[-1] < 0.85 * losses[0]


def test_a_recipe_s_loss_reaches_every_weight_and_no_generator(
    recipe_name, build, batch, network_of
):
    model = new_model(network_of(recipe_name), seed=0).train()
    build(recipe_name).loss(model, batch, rng(0)).backward()
    learned = {name for name, p in model.named_parameters() if p.grad is not None}
    own = {id(parameter) for parameter in own_parameters(model)}
    assert learned == {n for n, p in model.named_parameters() if id(p) in own}
    assert all(module.training for module in model.modules())


def test_a_recipe_s_attacks_leave_batch_norm_alone(
    recipe_name, build, batch, network_of
):
    """The network sees images in training mode when it learns from them, and only then."""
    model = new_model(network_of(recipe_name), seed=0).train()
    forwards = []
    model.register_forward_pre_hook(lambda m, _: forwards.append(m.training))
    build(recipe_name).loss(model, batch, rng(0))
    norms = [m for n, m in model.named_modules() if hasattr(m, "running_var")]
    own = [norm for norm in norms if norm not in [*companion_modules(model)]]
    assert {int(norm.num_batches_tracked) for norm in own} == {sum(forwards)}
    assert not any(forwards[:-1]), "attacks come first, in eval mode"


def companion_modules(model):
    return model.companion.modules() if hasattr(model, "companion") else []


def test_the_same_stream_gives_the_same_loss(recipe_name, build, batch, network_of):
    def loss(seed):
        model = new_model(network_of(recipe_name), seed=0).train()
        return build(recipe_name).loss(model, batch, rng(seed)).item()

    assert loss(0) == loss(0)
    assert (loss(0) == loss(1)) == (recipe_name == "normal")


def test_at_learns_from_attacked_images_alone(build, batch, toy_architecture):
    model, recipe = new_model(toy_architecture, seed=0), build("at")
    loss = recipe.loss(model.train(), batch, rng(0))
    again = new_model(toy_architecture, seed=0).train()
    attacked = recipe.threat(again, batch, rng(0))
    assert (attacked - batch.images).abs().max() > 0.04
    assert torch.equal(loss, functional.cross_entropy(again(attacked), batch.labels))


@pytest.mark.parametrize("mixed_per", ["batch", "image"])
def test_robust_mixup_mixes_images_and_labels_alike(build, batch, mixed_per):
    """IJSAT Algorithm 1, lines 4 to 6."""
    mixture = build("ijsat", mixed_per=mixed_per, tau=1.0).prepare(batch, rng(0))
    assert mixture.images.shape == batch.images.shape
    assert mixture.labels.shape == (24, 3)
    assert torch.allclose(mixture.labels.sum(dim=1), torch.ones(24))
    assert mixture.labels.min() >= 0
    assert mixture.latents == {}, "a mixture is encoded anew (line 7)"
    draw = rng(0)
    other = draw.permutation(24)
    alpha = draw.beta(1.0, 1.0, [24 if mixed_per == "image" else 1])
    assert len(alpha.unique()) == len(alpha)
    alpha = alpha.expand(24)
    for i in range(24):
        images = alpha[i] * batch.images[i] + (1 - alpha[i]) * batch.images[other[i]]
        assert torch.allclose(mixture.images[i], images, atol=1e-6)
        own = mixture.labels[i, batch.labels[i]]
        same = batch.labels[i] == batch.labels[other[i]]
        assert torch.allclose(own, torch.ones(()) if same else alpha[i], atol=1e-6)


def test_the_loss_of_a_mixture_is_the_mixed_loss(build, batch, toy_architecture):
    """Line 9: α times the loss to one label, 1 - α times the loss to the other."""
    recipe = build("ijsat", tau=1.0)
    model = new_model(toy_architecture, seed=0).eval()
    draw = rng(3)
    other, alpha = draw.permutation(24), draw.beta(1.0, 1.0, [1])
    mixture = recipe.prepare(batch, rng(3))
    logits = model(mixture.images)
    parts = [
        functional.cross_entropy(logits, labels)
        for labels in (batch.labels, batch.labels[other])
    ]
    told = functional.cross_entropy(logits, mixture.labels)
    assert torch.allclose(told, alpha * parts[0] + (1 - alpha) * parts[1], atol=1e-6)


def test_mixtures_of_a_small_tau_are_nearly_whole_images(build, batch):
    weights = torch.cat(
        [
            build("ijsat").prepare(batch, rng(seed)).labels.amax(dim=1)
            for seed in range(60)
        ]
    )
    assert (weights > 0.9).float().mean() > 0.6
