"""SNGAN: its weights are divided by their largest singular value, its images decode."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.sngan import Sngan, Spectral


def tiny(size=16):
    return Sngan(channels=3, size=size, latents=6, width=8, judging_width=8)


def beside_torchs(shape):
    """A layer of ours, and torch's that starts with the same weight and vectors."""
    own = Spectral(*shape)
    own.draw_weights(rng(0, "test"))
    plain = (
        nn.Linear(shape[1], shape[0])
        if len(shape) == 2
        else nn.Conv2d(shape[1], shape[0], shape[2], padding=shape[2] // 2)
    )
    with torch.no_grad():
        plain.weight.copy_(own.weight)
        plain.bias.zero_()
    theirs = spectral_norm(plain)
    with torch.no_grad():
        theirs.parametrizations.weight[0]._v.copy_(own.right)
    return own, theirs


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 4, 3, 3), (4, 6, 1, 1)])
def test_spectral_norm_is_torchs(shape):
    """Step by step while both learn: values, gradients and the weights that follow."""
    own, theirs = beside_torchs(shape)
    x = rng(1, "test").normal([3, shape[1], *[5] * (len(shape) - 2)])
    optimisers = [
        torch.optim.SGD(layer.parameters(), lr=0.1) for layer in (own, theirs)
    ]
    for _ in range(5):
        for layer, optimiser in zip((own, theirs), optimisers, strict=True):
            optimiser.zero_grad()
            layer(x).square().mean().backward()
            optimiser.step()
        original = theirs.parametrizations.weight.original
        assert torch.allclose(own.weight, original, atol=1e-5)
        assert torch.allclose(own.weight.grad, original.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 9), (6, 4, 3, 3)])
def test_the_largest_singular_value_becomes_one(shape):
    layer = Spectral(*shape)
    layer.draw_weights(rng(0, "test"))
    for _ in range(200):
        layer.step()
    largest = torch.linalg.svdvals(layer.scaled_weight().detach().flatten(1))[0]
    assert float(largest) == pytest.approx(1, abs=1e-4)


def test_the_power_method_rests_in_eval_mode():
    layer = Spectral(4, 3).eval()
    layer.draw_weights(rng(0, "test"))
    before = layer.right.clone()
    layer(torch.ones(1, 3))
    assert torch.equal(layer.right, before)
    layer.train()(torch.ones(1, 3))
    assert not torch.equal(layer.right, before)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_images_have_their_size_and_lie_in_range(size):
    model = tiny(size).eval()
    images = model.decode(rng(0, "test").normal([3, 6]))
    assert images.shape == (3, 3, size, size)
    assert float(images.detach().min()) >= 0 and float(images.detach().max()) <= 1
    judge = model.discriminator()
    judge.draw_weights(rng(1, "test"))
    assert judge(images, Growth(size)).shape == (3,)


def test_the_published_size():
    """Weights of both networks, added up from the published layers for CIFAR-10."""
    model = Sngan(channels=3, size=32)
    generator = sum(p.numel() for p in model.parameters())
    judge = sum(p.numel() for p in model.discriminator().parameters())
    assert (generator, judge) == (4_276_739, 1_053_825)


def test_an_image_does_not_depend_on_those_beside_it():
    model = tiny().eval()
    latents = rng(0, "test").normal([4, 6])
    alone = torch.cat([model.decode(row[None]) for row in latents])
    assert torch.allclose(model.decode(latents), alone, atol=1e-5)


def test_settled_statistics_are_those_of_its_images():
    """Batch norm in eval mode then does to a wide batch what it does in training."""
    model = tiny()
    draw = rng(0, "test")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * draw.normal(parameter.shape))
    model.eval()
    latents = rng(2, "test").normal([2000, 6])
    with torch.no_grad():
        before = model.decode(latents)
        model.settle(rng(1, "test"))
        assert not model.training and model.norm.momentum == 0.1
        settled = model.decode(latents)
        trained = model.train().decode(latents)
    assert (settled - trained).abs().mean() < 0.1 * (before - trained).abs().mean()


def test_temperature_is_the_spread_of_z():
    model = tiny().eval()
    draw = rng(0, "test").normal([4, 6])
    assert torch.equal(
        model.sample(4, rng(0, "test"), 0.5), model.decode(0.5 * draw).detach()
    )
    mean, spread = model.latent_statistics(rng(0, "test"), 100)
    assert torch.equal(mean, torch.zeros(6)) and spread == 1


def test_latents_of_another_generator_are_refused():
    with pytest.raises(PipelineError, match=r"\[images, 6\], not \[2, 8\]"):
        tiny().decode(torch.zeros(2, 8))
