"""The Fréchet distance is its closed form, whatever the covariances are."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.linalg import sqrtm

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.generators.frechet import frechet_distance, moments
from pipeline_steps.generators.inception import InceptionFeatures, load_inception


def features(count, dimensions, seed):
    draw = np.random.default_rng(seed)
    mixed = draw.normal(size=[count, dimensions]) @ draw.normal(size=[dimensions] * 2)
    return torch.from_numpy(mixed + draw.normal(size=dimensions)).float()


def closed_form(one, other):
    """As Heusel et al. state it, by SciPy."""
    a, b = one.double().numpy(), other.double().numpy()
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return apart + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))


@pytest.mark.parametrize(("count", "dimensions"), [(200, 5), (500, 40), (60, 3)])
def test_it_is_the_closed_form(count, dimensions):
    one, other = features(count, dimensions, 0), features(count + 7, dimensions, 1)
    told = frechet_distance(moments([one]), moments([other]))
    assert told == pytest.approx(closed_form(one, other), rel=1e-8)


def test_of_gaussians_on_a_line_it_is_known():
    """(m - m')² + (s - s')²."""
    draw = rng(0, "test")
    standard = (draw.normal([1000, 1]) - 0).double()
    standard = (standard - standard.mean()) / standard.std()
    told = frechet_distance(moments([3 + 2 * standard]), moments([1 + 5 * standard]))
    assert told == pytest.approx(4 + 9, rel=1e-9)


def test_equal_sets_lie_at_zero_and_order_does_not_matter():
    """Also with fewer images than features, where covariances are singular."""
    few = features(10, 30, 0)
    assert frechet_distance(moments([few]), moments([few])) < 1e-6
    other = features(12, 30, 1)
    there = frechet_distance(moments([few]), moments([other]))
    back = frechet_distance(moments([other]), moments([few]))
    assert there == pytest.approx(back, rel=1e-6)
    assert there > 1


def test_batches_are_summed():
    whole = features(100, 8, 0)
    told, parts = moments([whole]), moments(whole.split(33))
    assert torch.allclose(told.covariance, parts.covariance, atol=1e-10)
    assert np.allclose(told.covariance, np.cov(whole.double().numpy(), rowvar=False))


def test_one_image_has_no_covariance():
    with pytest.raises(PipelineError, match="two images or more"):
        moments([features(1, 4, 0)])


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory):
    """Weights of the published names and shapes, but random."""
    with torch.device("meta"):
        network = InceptionFeatures()
    draw = rng(0, "test")
    weights = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        fan = tensor[0].numel() if tensor.ndim == 4 else 1
        weights[name] = draw.normal(tensor.shape) * (2 / fan) ** 0.5
        if tensor.ndim == 1:
            weights[name] = torch.ones_like(weights[name])
        if name.endswith(("bias", "running_mean")):
            weights[name] = torch.zeros_like(weights[name])
    path = tmp_path_factory.mktemp("inception") / "weights.safetensors"
    save_file(weights | {"fc.weight": torch.ones(1008, 2048)}, path)
    return path


def test_inception_pools_as_tensorflow_does(inception_weights):
    """Padding is not counted, so a constant image stays constant in a pooling branch;
    the last block takes the largest instead of the mean."""
    network = load_inception(inception_weights)
    flat = torch.ones(1, 192, 6, 6)
    assert torch.allclose(network.Mixed_5b.pool(flat), flat)
    dot = torch.zeros(1, 1, 5, 5)
    dot[0, 0, 2, 2] = 1
    assert float(network.Mixed_7b.pool(dot).max()) == pytest.approx(1 / 9)
    assert float(network.Mixed_7c.pool(dot).sum()) == 9
    images = rng(1, "test").uniform([1, 3, 32, 32])
    told = network(images)
    assert told.shape == (1, 2048)
    assert told.isfinite().all() and not network.training


def test_other_weights_than_inceptions_are_refused(tmp_path):
    save_file({"classes.weight": torch.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(PipelineError, match="other weights than pt_inception"):
        load_inception(tmp_path / "w.safetensors")
