"""Every layer inverts, and its log-determinant is that of its Jacobian."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_steps.core.rng import rng
from pipeline_steps.generators.flow_layers import (
    SMALLEST_SPREAD,
    ActNorm,
    AffineCoupling,
    InvertibleConvolution,
    Squeeze,
    bounded,
)
from pipeline_steps.generators.flow_priors import SplitPrior, TopPrior

LAYERS = {
    "squeeze": Squeeze,
    "actnorm": lambda: ActNorm(4),
    "convolution": lambda: InvertibleConvolution(4),
    "coupling": lambda: AffineCoupling(4, 8),
}


def shaken(layer, seed, amount=0.3):
    """A layer in double precision, away from where it starts."""
    stream = rng(seed, "shaken")
    if hasattr(layer, "draw_weights"):
        layer.draw_weights(stream)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += amount * stream.normal(parameter.shape)
    return layer.double()


def jacobian(function, x):
    """The matrix of derivatives of one image's outputs by its inputs."""
    whole = torch.autograd.functional.jacobian(lambda x: function(x[None])[0], x)
    return whole.reshape(x.numel(), x.numel())


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([2, 4]))
def test_layer_inverts_and_knows_its_determinant(name, seed, size):
    layer = shaken(LAYERS[name](), seed)
    x = rng(seed, "x").normal([3, 4, size, size]).double()
    z, told = layer(x)
    assert told.shape == (3,)
    assert torch.allclose(layer.inverse(z), x, atol=1e-10)
    for image, log_determinant in zip(x, told, strict=True):
        matrix = jacobian(lambda x: layer(x)[0], image)
        assert torch.allclose(
            torch.linalg.slogdet(matrix).logabsdet, log_determinant, atol=1e-9
        )


@pytest.mark.parametrize("name", LAYERS)
def test_layer_inverts_in_single_precision(name):
    layer = shaken(LAYERS[name](), 1).float()
    x = rng(2, "x").normal([8, 4, 8, 8])
    assert (layer.inverse(layer(x)[0]) - x).abs().max() < 1e-5


def test_actnorm_standardises_the_batch_that_it_is_fitted_to():
    layer = ActNorm(4)
    layer.fitting = True
    x = 5 + 3 * rng(0, "x").normal([64, 4, 4, 4])
    z, _ = layer(x)
    assert layer.fitted
    assert torch.allclose(z.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(z.std((0, 2, 3)), torch.ones(4), atol=1e-2)


def test_actnorm_survives_a_constant_channel():
    layer = ActNorm(4)
    layer.fitting = True
    z, log_determinant = layer(torch.ones(2, 4, 2, 2))
    assert z.isfinite().all()
    assert log_determinant.max() <= 16 * -math.log(SMALLEST_SPREAD) + 1e-3


@pytest.mark.filterwarnings("ignore:torch.lu is deprecated")
def test_convolution_agrees_with_normflows():
    normflows = pytest.importorskip("normflows")
    ours = shaken(InvertibleConvolution(6), 3, amount=0.1)
    peer = normflows.flows.Invertible1x1Conv(6, use_lu=True).double()
    with torch.no_grad():
        peer.P.copy_(ours.permutation)
        peer.sign_S.copy_(ours.sign)
        peer.L.copy_(ours.lower)
        peer.U.copy_(ours.upper)
        peer.log_S.copy_(ours.log_diagonal)
    x = rng(3, "x").normal([2, 6, 4, 4]).double()
    # What normflows calls forward leads from z to x.
    z, told = peer.inverse(x)
    back, told_back = peer.forward(z)
    assert torch.allclose(ours(x)[0], z)
    assert torch.allclose(ours(x)[1], told.expand(2))
    assert torch.allclose(ours.inverse(z), back)
    assert torch.allclose(ours(x)[1], -told_back.expand(2))


def test_convolution_starts_as_a_rotation():
    layer = InvertibleConvolution(8)
    layer.draw_weights(rng(0, "weights"))
    x = rng(0, "x").normal([2, 8, 3, 3])
    z, log_determinant = layer(x)
    assert torch.allclose(z.square().sum(1), x.square().sum(1), rtol=1e-4)
    assert log_determinant.abs().max() < 1e-4


def test_log_scales_stay_within_their_limit():
    raw = torch.tensor([-1e9, -1e-4, 0.0, 1e-4, 1e9])
    assert bounded(raw).abs().max() <= 2
    assert torch.allclose(bounded(raw)[1:4], raw[1:4])


@pytest.mark.parametrize("make", [lambda: SplitPrior(8), lambda: TopPrior(8, 4)])
def test_prior_is_a_gaussian_of_what_leaves(make):
    prior = shaken(make(), 4)
    x = rng(4, "x").normal([3, 8, 4, 4]).double()
    kept, removed = prior.split(x)
    mean, log_scale = prior.moments(kept)
    oracle = torch.distributions.Normal(mean, log_scale.exp()).log_prob(removed)
    told = prior.log_density(kept, removed)
    assert torch.allclose(told, oracle.sum((1, 2, 3)))
    assert torch.equal(prior.join(kept, removed), x)
    noise = (removed - mean) / log_scale.exp()
    assert torch.allclose(prior.draw(kept, noise), removed)
