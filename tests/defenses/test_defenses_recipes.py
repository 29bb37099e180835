"""Each recipe lowers its own loss, and takes it on the images that its paper names."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.errors import Interrupted
from pipeline_steps.core.rng import PartRng, rng
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
    recipe_name, recipe_entry, batch, architecture_of, toy_generator
):
    model = new_model(architecture_of(recipe_name), seed=0).train()
    learning = copy.deepcopy(toy_generator)
    learning.rotation = toy_generator.rotation.clone().requires_grad_()
    recipe = build_recipe(recipe_entry(recipe_name), {"toy": learning})
    recipe.loss(model, batch, rng(0)).backward()
    assert all(parameter.grad is not None for parameter in own_parameters(model))
    companion = getattr(model, "companion", nn.Identity())
    assert all(parameter.grad is None for parameter in companion.parameters())
    assert learning.rotation.grad is None
    assert model.training


def test_the_same_stream_gives_the_same_loss(
    recipe_name, build, batch, architecture_of
):
    def loss(seed):
        model = new_model(architecture_of(recipe_name), seed=0).train()
        recipe, draw = build(recipe_name), rng(seed)
        return recipe.loss(model, recipe.prepare(batch, draw), draw).item()

    assert loss(0) == loss(0)
    assert (loss(0) == loss(1)) == (recipe_name in ("normal", "rlat"))


def passes(model, run):
    """For each batch norm, how many images went through it in eval and in train mode."""
    seen = {False: 0, True: 0}

    def look(module, inputs, _):
        seen[module.training] += len(inputs[0])

    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_hook(look) for norm in norms]
    run()
    for hook in hooks:
        hook.remove()
    return seen, norms


TWO_PASSES = ("iat", "trades", "mart", "dmat", "adv_prop")


def test_attacks_run_in_eval_mode_and_batch_norm_sees_what_is_learned_alone(
    recipe_name, build, batch, architecture_of
):
    model = new_model(architecture_of(recipe_name), seed=0).train()
    companion = getattr(model, "companion", nn.Identity())
    apart = {m for m in companion.modules() if isinstance(m, nn.BatchNorm2d)}
    recipe = build(recipe_name)
    seen, norms = passes(model, lambda: recipe.loss(model, batch, rng(0)))
    own = [norm for norm in norms if norm not in apart]
    # Forward passes in train mode, of 24 images each, through every batch norm.
    learned = {"dmat_trades": 3, **dict.fromkeys(TWO_PASSES, 2)}.get(recipe_name, 1)
    per_norm = 1 if recipe_name == "adv_prop" else learned
    assert {int(norm.num_batches_tracked) for norm in own} == {per_norm}
    assert all(norm.num_batches_tracked == 0 for norm in apart), "it learns later"
    assert seen[True] == 24 * per_norm * len(own)
    assert (seen[False] > 0) == (recipe_name not in ("normal", "cutout", "mixup"))
    assert all(module.training for module in model.modules())


ALONE = ("feature_scattering",)  # which several processes may not train
# Its scale belongs to the whole batch; processes agree on it, parts of a test don't.
BY_IMAGE = {"atld": {"share": 0.0}}


def test_parts_of_a_batch_have_the_loss_of_the_whole_as_their_mean(
    recipe_name, build, batch, architecture_of
):
    """So each of several processes may take a part; in eval mode, for batch norm ties
    the images together, and has tests of its own."""
    if recipe_name in ALONE:
        return
    model = new_model(architecture_of(recipe_name), seed=0).eval()
    recipe = build(recipe_name, **BY_IMAGE.get(recipe_name, {}))

    def loss(rows):
        draw = rng(0, "recipe")
        whole = recipe.prepare(batch, draw)
        return recipe.loss(model, whole.take(rows), PartRng(draw, 24, rows)).item()

    halves = loss(slice(0, 12)), loss(slice(12, 24))
    assert halves[0] != halves[1]
    assert sum(halves) / 2 == pytest.approx(loss(slice(0, 24)), rel=1e-4)


def test_a_recipe_stopped_after_its_first_step_ends_in_the_same_weights(
    recipe_name, spec_of, toy_images, toy_generator, tmp_path, monkeypatch
):
    spec = spec_of(recipe_name, epochs=1)
    told = spec, toy_images, {"toy": toy_generator}
    alone, _ = train_defense(*told, tmp_path / "alone", CPU)
    with monkeypatch.context() as patched:
        patched.setenv("PIPELINE_DEADLINE", "0")
        with pytest.raises(Interrupted, match="saved after step 1 of 3"):
            train_defense(*told, tmp_path / "stopped", CPU)
    resumed, _ = train_defense(*told, tmp_path / "stopped", CPU)
    states = alone.state_dict(), resumed.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


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
