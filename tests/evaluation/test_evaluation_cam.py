"""Grad-CAM is what its equations say, for any network, and leaves the network as it was."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.defenses.load import new_model
from pipeline_steps.evaluation.grad_cam import LastMap, grad_cam
from pipeline_steps.threats.victim import Transformed

SMALL = {"classes": 3, "channels": 3}
NETWORKS = {
    "small_cnn": ({"width": 4}, 8),
    "resnet18": ({"width": 4}, 4),
    "preact_resnet18": ({"width": 4}, 4),
    "wide_resnet": ({"depth": 10, "width": 1}, 8),
    "resnet50": ({"width": 4}, 1),
}
"""Each with the places of its last map, across an image of 32 pixels."""


class Seen(nn.Module):
    """One convolution, the mean over places, and a linear head: all can be told by hand."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 1, bias=False)
        self.head = nn.Linear(2, 2, bias=False)
        self.convolution.weight.data = torch.tensor([1.0, -2.0]).view(2, 1, 1, 1)
        self.head.weight.data = torch.tensor([[3.0, 1.0], [-1.0, 0.5]])

    def forward(self, images):
        return self.head(self.convolution(images).mean(dim=(2, 3)))


def noise(count=4, size=32):
    return torch.rand(count, 3, size, size, generator=torch.manual_seed(1))


def made(name):
    """An untrained network whose batch norms have seen something."""
    entry = {"architecture": name, **SMALL, **NETWORKS[name][0]}
    model = new_model(entry, seed=0).train()
    with torch.no_grad():
        model(noise(4))
    return model.eval()


def test_a_map_is_the_one_computed_by_hand():
    images = torch.tensor([[0.2, 0.4], [0.0, 0.8]]).view(1, 1, 2, 2)
    # Of class 0 the slopes are (3, 1) / 4 and the features (x, -2x), so the sum is x / 4;
    # of class 1 it is -x / 2, which speaks against it everywhere.
    for_zero, for_one = (grad_cam(Seen(), images, torch.tensor([c])) for c in (0, 1))
    assert torch.allclose(for_zero[0], images[0, 0] / 0.8)
    assert not for_one.any()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_map_is_the_last_before_the_mean_over_places(name):
    """There the head's own weights are the weights of the channels (Zhou et al.)."""
    model, places = made(name), NETWORKS[name][1]
    size = 32 if places > 1 else 64  # one place alone is no map
    images = noise(2, size)
    with LastMap() as last:
        logits = model(images.requires_grad_())
    features, head = last.features.detach(), getattr(model, "head", None)
    assert features.shape[2:] == (places * size // 32,) * 2
    head = head or model.network.fc
    assert torch.allclose(head(features.mean(dim=(2, 3))), logits, atol=1e-5)
    shown = torch.einsum("ck,nkhw->nchw", head.weight, features).relu()
    # All features may speak against what an untrained head answers.
    classes = shown.amax(dim=(2, 3)).argmax(dim=1)
    by_hand = shown[range(2), classes]
    by_hand = functional.interpolate(by_hand[:, None], (size, size), mode="bilinear")
    by_hand = by_hand[:, 0] / by_hand.amax(dim=(2, 3)).clamp_min(1e-12)[..., None]
    maps = grad_cam(model, images, classes)
    assert maps.any() and maps.amax() == 1
    assert torch.allclose(maps, by_hand, atol=1e-4)


def test_wrapped_networks_have_the_maps_of_what_they_wrap():
    inside = {"architecture": "small_cnn", "width": 4, **SMALL}
    images, classes = noise(), torch.tensor([0, 1, 2, 0])
    normalised, twice = (
        new_model({"architecture": name, "network": inside}, seed=0).eval()
        for name in ("normalised", "auxiliary_norm")
    )
    moved = Transformed(normalised, lambda _, seen: (seen + 0.1).clamp(0, 1))
    for model, network, shown in [
        (normalised, normalised.network, 2 * images - 1),
        (twice, twice.network, images),
        (moved, normalised, (images + 0.1).clamp(0, 1)),
    ]:
        expected = grad_cam(network, shown, classes)
        assert expected.any()
        assert torch.allclose(grad_cam(model, images, classes), expected, atol=1e-5)


def test_an_image_has_its_map_in_any_company():
    model, images, classes = made("resnet18"), noise(), torch.tensor([0, 1, 2, 1])
    maps = grad_cam(model, images, classes)
    turned = grad_cam(model, images.flip(0), classes.flip(0))
    alone = [grad_cam(model, images[i : i + 1], classes[i : i + 1]) for i in range(4)]
    assert torch.allclose(turned.flip(0), maps, atol=1e-4)
    assert torch.allclose(torch.cat(alone), maps, atol=1e-4)


def test_the_network_is_left_as_it_was():
    model, images = made("small_cnn").train(), noise()
    next(model.parameters()).requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.parameters()]
    with torch.no_grad():
        grad_cam(model, images, torch.zeros(4, dtype=torch.long))
    assert all(module.training for module in model.modules())
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not images.requires_grad
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_network_without_places_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))
    with pytest.raises(PipelineError, match="Sequential has no spatial features"):
        grad_cam(model, noise(size=8), torch.zeros(4, dtype=torch.long))


def test_the_step_explains_what_the_verdicts_say(judge_step):
    _, judged = judge_step()
    examples = {"examples": judged["examples"], "examples_card": judged["card"]}
    status, places = judge_step("explain_defense", "maps", more=examples)
    assert status == 0
    kept, told = read_tensors(judged["examples"]), read_tensors(places["maps"])
    assert all(torch.equal(told[name], tensor) for name, tensor in kept.items())
    assert told["map"].shape == (4, 8, 8) and told["map"].any()
    assert (told["confidence"] > 1 / 3).all(), "it said what it was surest of"
    metrics = read_json(places["card"])["metrics"]
    assert metrics["images"] == 4
    assert metrics["mean_confidence"] == pytest.approx(
        100 * float(told["confidence"].mean()), abs=1e-3
    )


def test_without_kept_images_there_is_nothing_to_explain(judge_step, capsys):
    _, judged = judge_step(kept=0)
    examples = {"examples": judged["examples"], "examples_card": judged["card"]}
    status, places = judge_step("explain_defense", "maps", more=examples, kept=0)
    assert status == 1 and not places["maps"].exists()
    assert "set `kept` under `evaluation`" in capsys.readouterr().err
