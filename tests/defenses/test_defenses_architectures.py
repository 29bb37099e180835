"""The networks are the papers', and what is built around them leaves them so."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.architectures.auxiliary_norm import TwoNorms, auxiliary
from pipeline_steps.defenses.load import load_model, new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.evaluation.fast_model import FastModel, victim_of
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.layers import added, features_of, layers_of


def entry(word, classes=10, **more):
    return {"architecture": word, "classes": classes, "channels": 3, **more}


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("told", "count"),
    [
        (entry("preact_resnet18"), 11_172_170),  # locuslab/robust_overfitting
        (entry("wide_resnet", depth=28, width=10), 36_479_194),  # "36.5M", Zagoruyko
        (entry("wide_resnet", depth=34, width=10), 46_160_474),  # TRADES
        (entry("resnet50", classes=1000), 25_557_032),  # torchvision's documentation
    ],
    ids=["preact_resnet18", "wrn_28_10", "wrn_34_10", "resnet50"],
)
def test_a_network_has_the_published_number_of_parameters(told, count):
    with torch.device("meta"):
        assert parameters(make("architecture", told)) == count


@pytest.mark.parametrize("depth", [4, 27, 30])
def test_a_wide_resnet_of_no_such_depth_is_one_sentence(depth):
    with pytest.raises(PipelineError, match=f"depth {depth} does not exist.*6n"):
        make("architecture", entry("wide_resnet", depth=depth))


SMALL = {
    "resnet18": entry("resnet18", width=4),
    "preact_resnet18": entry("preact_resnet18", width=4),
    "wide_resnet": entry("wide_resnet", depth=10, width=1),
    "small_cnn": entry("small_cnn", width=4),
    "normalised": {
        "architecture": "normalised",
        "network": entry("small_cnn", width=4),
    },
    "auxiliary_norm": {
        "architecture": "auxiliary_norm",
        "network": entry("preact_resnet18", width=4),
    },
}


def images(count=6, size=16):
    return rng(0, "images").uniform([count, 3, size, size])


@pytest.fixture(params=SMALL)
def model(request):
    """Its batch norms have seen other images, so they do something."""
    model = new_model(SMALL[request.param], seed=0)
    model(3 * rng(1, "others").uniform([16, 3, 16, 16]) - 1)
    return model.eval()


@torch.no_grad()
def test_features_pass_between_the_layers_that_a_network_tells(model):
    features, logits = features_of(model, images())
    assert torch.equal(logits, model(images()))
    sizes = [feature.shape[2] for feature in features]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 16
    shift = [torch.full_like(feature, 0.1) for feature in features]
    with added(model, shift):
        moved, _ = features_of(model, images())
    assert torch.allclose(moved[0], features[0] + 0.1, atol=1e-6)
    assert not torch.allclose(moved[-1], features[-1] + 0.1, atol=1e-3)
    assert torch.equal(model(images()), logits), "the additions are gone"


def test_the_fast_form_of_a_network_answers_as_it_does(model):
    victim = victim_of(model, images(), "float32")
    fast = victim.fast
    assert torch.allclose(fast(images(4)), model(images(4)), atol=1e-4)
    assert [type(layer) for layer in layers_of(victim.exact)] == [
        type(layer) for layer in layers_of(model)
    ]
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in fast.body.modules())
    whole = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert norms < whole, "those behind a convolution are folded into it"


def test_a_network_without_layers_is_one_sentence():
    with pytest.raises(PipelineError, match="Linear does not expose its layers"):
        layers_of(nn.Linear(1, 1))


@torch.no_grad()
def test_a_normalised_network_sees_images_from_minus_one_to_one():
    model = new_model(SMALL["normalised"], seed=0).eval()
    assert torch.equal(model(images()), model.network((images() - 0.5) / 0.5))


def test_auxiliary_norms_learn_from_what_they_are_asked_alone():
    model = new_model(SMALL["auxiliary_norm"], seed=0).train()
    norms = [module for module in model.modules() if isinstance(module, TwoNorms)]
    plain = new_model(SMALL["preact_resnet18"], seed=0).train()
    count = sum(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    assert len(norms) == count
    assert torch.equal(model(images()), plain(images()))
    before = [norm.main.running_mean.clone() for norm in norms]
    with auxiliary(model):
        attacked = model(1 - images())
    assert torch.equal(attacked, plain(1 - images())), "both begin as the network's"
    assert all(
        torch.equal(n.main.running_mean, b) for n, b in zip(norms, before, strict=True)
    )
    assert all(n.auxiliary.num_batches_tracked == 1 for n in norms)
    with pytest.raises(ZeroDivisionError), auxiliary(model):
        raise ZeroDivisionError
    assert not any(norm.asks_auxiliary for norm in norms)


def test_advprop_crafts_and_learns_attacked_images_by_the_auxiliary_norms():
    """The mean of two losses, each by a network with norms of its own.

    See docs/methods/baselines.md#advprop.
    """
    pixel = {"perturbation": "pixel", "epsilon": 0.1, "step_size": 0.1}
    objective = {"objective": "cross_entropy"}
    threat = {"edit": {**pixel, "start_at": "zero"}, "objective": objective, "steps": 1}
    model = new_model(SMALL["auxiliary_norm"], seed=0).train()
    labels = torch.arange(6)
    main, other = (new_model(SMALL["preact_resnet18"], seed=0) for _ in range(2))
    with auxiliary(model):  # its running statistics, by which images are attacked
        model(images() / 2)
    other.train()(images() / 2)
    leaf = images().requires_grad_()
    loss = functional.cross_entropy(other.eval()(leaf), labels, reduction="sum")
    (uphill,) = torch.autograd.grad(loss, leaf)
    attacked = (images() + 0.1 * uphill.sign()).clamp(0, 1)
    adversarial = functional.cross_entropy(other.train()(attacked), labels)
    clean = functional.cross_entropy(main.train()(images()), labels)
    recipe = build_recipe({"recipe": "adv_prop", "threat": threat}, {})
    told = recipe.loss(model, Batch(images(), labels), rng(0))
    assert torch.allclose(told, (clean + adversarial) / 2, rtol=1e-5)


def test_both_sets_of_norms_are_saved_and_the_main_ones_are_tested(tmp_path):
    model = new_model(SMALL["auxiliary_norm"], seed=0).train()
    model(images())
    with auxiliary(model):
        model(images() / 2)
    write_tensors(tmp_path / "w.safetensors", model.state_dict())
    back = load_model(SMALL["auxiliary_norm"], tmp_path / "w.safetensors")
    fast, model = FastModel(back, images(), "float32"), model.eval()
    assert torch.equal(back(images()), model(images()))
    assert torch.allclose(fast(images()), model(images()), atol=1e-4)
    with auxiliary(model), auxiliary(back):
        assert torch.equal(back(images()), model(images()))
    assert not torch.equal(
        model.network.normalise.main.running_mean,
        model.network.normalise.auxiliary.running_mean,
    )


def test_advprop_on_a_plain_network_is_one_sentence():
    model = new_model(SMALL["small_cnn"], seed=0)
    with (
        pytest.raises(PipelineError, match="needs a network with auxiliary batch"),
        auxiliary(model),
    ):
        pass
