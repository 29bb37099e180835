"""Every layer inverts, and its log-determinant is that of its Jacobian."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_steps.core.rng import rng
from pipeline_steps.generators.flow_layers import (
    SMALLEST_SPREAD,
    ActNorm,
    AffineCoupling,
    Centred,
    InvertibleConvolution,
    Logit,
    Squeeze,
    Step,
    bounded,
)
from pipeline_steps.generators.flow_priors import SplitPrior, StandardPrior, TopPrior
from pipeline_steps.generators.glow import Level

LAYERS = {
    "centred": lambda channels: Centred(),
    "logit": lambda channels: Logit(0.05),
    "squeeze": lambda channels: Squeeze(),
    "actnorm": ActNorm,
    "convolution": InvertibleConvolution,
    "coupling": lambda channels: AffineCoupling(channels, 8),
    "step": lambda channels: Step(channels, 8),
    "level": lambda channels: Level(4 * channels, 2, 8, StandardPrior(0)),
}


def shaken(layer, seed, amount=0.5):
    """A layer in double precision, away from where it starts."""
    stream = rng(seed, "shaken")
    for module in layer.modules():
        if hasattr(module, "draw_weights"):
            module.draw_weights(stream)
    with torch.no_grad():
        for parameter in layer.parameters():
            inputs = parameter[0].numel()
            parameter += amount * stream.normal(parameter.shape) / inputs**0.5
    return layer.double()


def jacobian(function, x):
    """The matrix of derivatives of one image's outputs by its inputs."""
    whole = torch.autograd.functional.jacobian(lambda x: function(x[None])[0], x)
    return whole.reshape(x.numel(), x.numel())


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    channels=st.sampled_from([2, 4, 6]),
    sides=st.tuples(*2 * [st.sampled_from([2, 4, 6])]),
    amount=st.floats(0, 0.5),
)
def test_layer_inverts(name, seed, channels, sides, amount):
    # What each layer magnifies, a whole level magnifies again and again.
    milder = 0.2 if name == "level" else 1.0
    layer = shaken(LAYERS[name](channels), seed, milder * amount)
    images = rng(seed, "x").uniform([3, channels, *sides]).double()
    for kind, most in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        x = images.to(kind)
        with torch.no_grad():
            z, told = layer.to(kind)(x)
            assert told.shape == (3,) and told.dtype == kind
            assert (layer.inverse(z) - x).abs().max() < most


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), channels=st.sampled_from([2, 4]))
def test_layer_knows_its_determinant(name, seed, channels):
    layer = shaken(LAYERS[name](channels), seed)
    x = rng(seed, "x").uniform([2, channels, 2, 4]).double()
    for image, log_determinant in zip(x, layer(x)[1], strict=True):
        matrix = jacobian(lambda x: layer(x)[0], image)
        assert torch.allclose(
            torch.linalg.slogdet(matrix).logabsdet, log_determinant, atol=1e-9
        )


@pytest.mark.parametrize(("entrance", "reach"), [(Centred, 12), (Logit, 0.5)])
def test_density_in_two_dimensions_integrates_to_one(entrance, reach):
    """By the midpoint rule over all that the flow can decode."""
    first = Centred() if entrance is Centred else Logit(0.05)
    # Shaken mildly, or tails would reach beyond the grid.
    layers = [first, *(shaken(Step(2, 8), seed, 0.2) for seed in range(3))]
    # All that a logit decodes: the logistic function's [0, 1], spread out again.
    side = reach / 0.9 if entrance is Logit else reach
    cells = 400
    place = side * ((torch.arange(cells).double() + 0.5) * 2 / cells - 1) + 0.5
    x = torch.cartesian_prod(place, place)[:, :, None, None]
    total = x.new_zeros(len(x))
    with torch.no_grad():
        for layer in layers:
            x, told = layer(x)
            total += told
        density = (total + StandardPrior(0).log_density(x[:, :0], x)).exp()
    assert float(density.sum() * (2 * side / cells) ** 2) == pytest.approx(1, abs=2e-3)
    assert density.max() > 3 * density.mean()


def test_actnorm_folded_into_a_convolution_changes_nothing():
    layer = shaken(AffineCoupling(4, 8), 5)
    x = rng(5, "x").normal([3, 2, 4, 4]).double()
    plain = layer.first_norm(layer.first(x))[0]
    assert torch.allclose(layer.first_norm.after(layer.first, x), plain)


def test_step_is_its_three_layers_one_after_another():
    step = shaken(Step(4, 8), 6)
    x = rng(6, "x").normal([3, 4, 4, 4]).double()
    z, total = x, 0
    for layer in (step.norm, step.convolution, step.coupling):
        z, told = layer(z)
        total = total + told
    assert torch.allclose(step(x)[0], z)
    assert torch.allclose(step(x)[1], total)


def test_fitting_standardises_within_a_step():
    step = Step(4, 8)
    step.convolution.draw_weights(rng(0, "convolution"))
    step.coupling.draw_weights(rng(0, "coupling"))
    norms = [m for m in step.modules() if isinstance(m, ActNorm)]
    for norm in norms:
        norm.fitting = True
    x = 5 + 3 * rng(0, "x").normal([64, 4, 4, 4])
    z, _ = step(x)
    assert all(norm.fitted for norm in norms)
    assert torch.allclose(step.norm(x)[0].std((0, 2, 3)), torch.ones(4), atol=1e-2)
    hidden = step.coupling.first_norm.after(step.coupling.first, z[:, :2])
    assert torch.allclose(hidden.std((0, 2, 3)), torch.ones(8), atol=1e-2)


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


def peer_of(ours):
    """The invertible convolution of normflows, with our weights."""
    normflows = pytest.importorskip("normflows")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.lu is deprecated")
        peer = normflows.flows.Invertible1x1Conv(6, use_lu=True).double()
    with torch.no_grad():
        peer.P.copy_(ours.permutation)
        peer.sign_S.copy_(ours.sign)
        peer.L.copy_(ours.lower)
        peer.U.copy_(ours.upper)
        peer.log_S.copy_(ours.log_diagonal)
    return peer


def test_convolution_agrees_with_normflows():
    ours = shaken(InvertibleConvolution(6), 3, amount=0.1)
    peer = peer_of(ours)
    x = rng(3, "x").normal([2, 6, 4, 4]).double()
    # What normflows calls forward leads from z to x.
    z, told = peer.inverse(x)
    back, told_back = peer.forward(z)
    assert torch.allclose(ours(x)[0], z)
    assert torch.allclose(ours(x)[1], told.expand(2))
    assert torch.allclose(ours.inverse(z), back)
    assert torch.allclose(ours(x)[1], -told_back.expand(2))


def test_step_agrees_with_normflows():
    """Actnorm, 1x1 convolution and coupling of normflows, on the same weights."""
    flows = pytest.importorskip("normflows").flows
    ours = shaken(Step(6, 8), 3, amount=0.1)
    norm, coupling = ours.norm, ours.coupling

    class Told(torch.nn.Module):
        def forward(self, kept):
            # Theirs is x = z exp(scale) + shift, of shifts and scales in turn.
            log_scale, shift = coupling._scale_and_shift(kept)
            return torch.stack([-shift, -log_scale], 2).flatten(1, 2)

    own_norm = flows.AffineConstFlow((6, 1, 1)).double()
    own_norm.s.data, own_norm.t.data = -norm.log_scale[None], -norm.bias[None]
    peers = [flows.AffineCoupling(Told()), peer_of(ours.convolution), own_norm]
    z = rng(3, "z").normal([2, 6, 4, 4]).double()
    x, total = z, torch.zeros(2).double()
    for peer in peers:
        if isinstance(peer, flows.AffineCoupling):
            (kept, other), log_determinant = peer(x.chunk(2, 1))
            x = torch.cat([kept, other], 1)
        else:
            x, log_determinant = peer(x)
        total = total + log_determinant
    assert torch.allclose(ours.inverse(z), x)
    assert torch.allclose(ours(x)[0], z)
    assert torch.allclose(ours(x)[1], -total)


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


@pytest.mark.parametrize(
    "make", [lambda: SplitPrior(8), lambda: TopPrior(8, 4), lambda: StandardPrior(3)]
)
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
