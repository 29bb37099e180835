"""LPIPS without learned weights, over VGG16 or over a classifier of the pipeline."""

import pytest
import torch

from pipeline_steps.core import torchvision_ops  # noqa: F401  before torchvision
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.archives import packing
from pipeline_steps.manifolds.perceptual import Perceptual, Vgg16, load_perceptual

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def vgg16():
    """torchvision's, with drawn weights."""
    from torchvision.models.vgg import cfgs, make_layers

    whole = torch.nn.Module()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole.features = make_layers(cfgs["D"])
    return whole.eval()


def test_vgg16_gives_torchvision_s_features(vgg16):
    ours = Vgg16()
    wanted = {k: v for k, v in vgg16.state_dict().items() if k in ours.state_dict()}
    assert len(wanted) == 26
    ours.load_state_dict(wanted)
    images = rng(0, "images").uniform([2, 3, 32, 32])
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    values, found = (images - mean) / deviation, []
    for depth, layer in enumerate(vgg16.features):
        values = layer(values)
        if depth in (3, 8, 15, 22, 29):  # ReLU 1_2, 2_2, 3_3, 4_3, 5_3
            found.append(values.clone())
    with torch.no_grad():
        for one, other in zip(ours(images), found, strict=True):
            assert torch.equal(one, other)


def packed(weights, folder):
    """Weights as they are fetched: the published pickle, in a plain archive."""
    torch.save(weights, folder / "vgg16-397923af.pth")
    with (
        packing(folder / "archive") as pack,
        (folder / "vgg16-397923af.pth").open("rb") as f,
    ):
        pack.add("vgg16-397923af.pth", f.seek(0, 2), (f.seek(0), f)[1])
    return folder / "archive"


def test_published_weights_are_read_as_tensors_alone(vgg16, tmp_path):
    path = packed(vgg16.state_dict(), tmp_path)
    distance = load_perceptual({"published": "vgg16"}, path, CPU)
    one, other = (rng(0, name).uniform([3, 3, 32, 32]) for name in "ab")
    assert (distance(one, other) > 0).all()
    assert torch.equal(distance(one, one), torch.zeros(3))


def test_a_pickle_that_holds_more_is_refused(tmp_path):
    path = packed({"features.0.weight": Perceptual}, tmp_path)
    with pytest.raises(PipelineError, match="is not a file of tensors alone"):
        load_perceptual({"published": "vgg16"}, path, CPU)


def test_the_distance_is_lpips_without_weights():
    """By hand: one layer, two channels, two pixels."""
    distance = Perceptual(lambda images: [images])
    one = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    other = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
    # (0.6, 0.8) against (1, 0), and nothing against (0, 1); a mean over two pixels
    assert distance(one, other).item() == pytest.approx((0.16 + 0.64 + 1) / 2)


def test_where_a_feature_is_dead_the_gradient_is_none():
    images = torch.zeros(1, 2, 2, 2, requires_grad=True)
    distance = Perceptual(lambda images: [images])
    (gradient,) = torch.autograd.grad(
        distance(images, torch.ones(1, 2, 2, 2)).sum(), images
    )
    assert gradient.isfinite().all()


@pytest.mark.parametrize("word", ["small_cnn", "resnet18"])
def test_any_classifier_tells_images_apart(word, tmp_path):
    entry = {"architecture": word, "classes": 3, "channels": 3, "width": 8}
    path = tmp_path / "weights.safetensors"
    write_tensors(path, make("architecture", entry).state_dict())
    distance = load_perceptual({"defense": "normal", "network": entry}, path, CPU)
    images = rng(0, "images").uniform([2, 3, 16, 16])
    near, far = (images + a * rng(0, "off").normal(images.shape) for a in (0.01, 0.3))
    assert 4 <= len(distance.of(images)) <= 5
    assert (distance(images, near) < distance(images, far)).all()


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_tensors(path, {"head": torch.zeros(2)})
    entry = {"architecture": "small_cnn", "classes": 3, "channels": 3}
    with pytest.raises(PipelineError, match="weights of another network"):
        load_perceptual({"defense": "normal", "network": entry}, path, CPU)
