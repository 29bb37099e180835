"""StyleGAN has the published shape and statistics, and grows without a jump."""

import math

import pytest
import torch

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.generators.resolution import Growth, doubled, halved
from pipeline_steps.generators.style_layers import (
    EqualConvolution,
    Equalised,
    EqualLinear,
    Styled,
    blurred,
    with_spread,
)
from pipeline_steps.generators.stylegan import Stylegan, channels_at


def tiny(size=16, **settings):
    usual = {"width": 8, "base": 32, "mapping": 2}
    model = Stylegan(channels=3, size=size, **(usual | settings))
    draw = rng(5, "test")
    with torch.no_grad():  # first weights leave noise and biases out
        for name, parameter in model.named_parameters():
            if name.endswith(("noise_scale", "bias")):
                parameter.copy_(0.1 * draw.normal(parameter.shape))
    return model


def noise_of(model):
    return [getattr(model, f"noise_{row}") for row in range(model.rows)]


@pytest.mark.parametrize(
    ("size", "rows"), [(8, 4), (16, 6), (32, 8), (64, 10), (128, 12), (256, 14)]
)
def test_every_layer_has_a_row_of_styles(size, rows):
    model = tiny(size)
    assert model.rows == rows == 2 * math.log2(size) - 2
    assert model.dimensions == 8 * rows
    assert sum(isinstance(module, Styled) for module in model.modules()) == rows


def test_channels_are_those_published():
    sizes = (4, 8, 16, 32, 64, 128, 256)
    told = [channels_at(size, 512, 8192) for size in sizes]
    assert told == [512, 512, 512, 512, 256, 128, 64]


@pytest.mark.parametrize("speed", [1.0, 0.01])
def test_weights_of_any_layer_have_spread_one_and_keep_that_of_what_passes(speed):
    layer = EqualLinear(400, 300, gain=1.0, speed=speed)
    layer.draw_weights(rng(0, "test"))
    assert float(layer.weight.detach().std()) == pytest.approx(1 / speed, rel=0.02)
    passed = layer(rng(1, "test").normal([200, 400]))
    assert float(passed.detach().std()) == pytest.approx(1, rel=0.05)
    convolution = EqualConvolution(50, 60, 3, gain=1.0)
    convolution.draw_weights(rng(0, "test"))
    assert float(convolution.weight.detach().std()) == pytest.approx(1, rel=0.02)
    passed = convolution(rng(1, "test").normal([8, 50, 12, 12]))[:, :, 1:-1, 1:-1]
    assert float(passed.detach().std()) == pytest.approx(1, rel=0.05)


def test_adam_moves_layers_of_any_fan_in_alike():
    """What equalised rates are for: a first step of Adam changes each effective weight
    by the same part of its spread."""
    for layer in (EqualLinear(10, 5), EqualLinear(1000, 5)):
        layer.draw_weights(rng(0, "test"))
        before = layer.scaled()[0].detach().clone()
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
        layer(torch.ones(1, layer.weight.shape[1])).sum().backward()
        optimiser.step()
        change = (layer.scaled()[0].detach() - before).abs().mean() / before.std()
        assert float(change) == pytest.approx(0.1, rel=0.15)


def test_a_style_sets_mean_and_spread_of_every_channel():
    layer, width = Styled(4, 8), 8
    layer.style.draw_weights(rng(0, "test"))
    draw = rng(1, "test")
    style, x = draw.normal([3, width]), 5 + 3 * draw.normal([3, 4, 9, 9])
    out = layer(x, style, torch.zeros(1, 1, 9, 9))
    scale, shift = layer.style(style).chunk(2, 1)
    assert torch.allclose(out.mean((2, 3)), shift, atol=1e-4)
    spread = out.std((2, 3), correction=0)
    assert torch.allclose(spread, (scale + 1).abs(), atol=1e-3)


@pytest.mark.parametrize("size", [16, 32])
def test_growth_begins_where_the_smaller_resolution_ended(size):
    """At a stage change neither network jumps; at its end the new block stands alone."""
    model = tiny(32)
    styles = model.styles(rng(0, "test").normal([4, 8]))[:, None].repeat(1, 8, 1)
    noise = noise_of(model)
    before = model.synthesis(styles, noise, Growth(size // 2))
    begun = model.synthesis(styles, noise, Growth(size, 0.0))
    assert torch.allclose(begun, doubled(before), atol=1e-6)
    ended = model.synthesis(styles, noise, Growth(size, 1 - 1e-6))
    whole = model.synthesis(styles, noise, Growth(size))
    assert torch.allclose(ended, whole, atol=1e-4)
    assert not torch.allclose(begun, whole, atol=1e-2)

    judge = model.discriminator()
    judge.draw_weights(rng(3, "test"))
    images = rng(2, "test").uniform([4, 3, size, size])
    smaller = judge(halved(images), Growth(size // 2))
    assert torch.allclose(judge(images, Growth(size, 0.0)), smaller, atol=1e-5)
    assert torch.allclose(
        judge(images, Growth(size, 1 - 1e-6)), judge(images, Growth(size)), atol=1e-4
    )


def test_real_images_grow_along():
    images = rng(0, "test").uniform([2, 3, 16, 16])
    assert torch.equal(Growth(8).reals(images), halved(images))
    assert torch.allclose(Growth(16, 0.0).reals(images), doubled(halved(images)))
    assert torch.equal(Growth(16).reals(images), images)


def test_decoding_is_the_same_whenever_it_is_done():
    model = tiny()
    latents = rng(0, "test").normal([3, model.dimensions])
    images = model.decode(latents)
    assert images.shape == (3, 3, 16, 16)
    assert torch.equal(images, model.decode(latents))
    alone = torch.cat([model.decode(row[None]) for row in latents])
    assert torch.allclose(images, alone, atol=1e-5)


def test_every_row_of_styles_and_its_gradient_arrive():
    model = tiny()
    latents = rng(0, "test").normal([1, model.dimensions]).requires_grad_()
    model.decode(latents).square().sum().backward()
    rows = latents.grad.unflatten(1, (model.rows, 8)).abs().amax((0, 2))
    assert (rows > 0).all()


def test_a_mixed_image_takes_early_styles_of_one_and_later_ones_of_another(monkeypatch):
    model, seen = tiny(), []
    monkeypatch.setattr(
        model, "synthesis", lambda styles, noise, growth: seen.append(styles)
    )
    model.imagine(200, rng(0, "test"), Growth(16), mixing=0.5)
    same = (seen[0] == seen[0][:, :1]).all(2)
    assert same[:, 0].all()
    mixed = ~same.all(1)
    assert 60 < int(mixed.sum()) < 140
    cuts = same[mixed].sum(1)
    assert set(cuts.tolist()) == {1, 2, 3, 4, 5}
    for row, cut in zip(same[mixed], cuts.tolist(), strict=True):
        assert not row[cut:].any()


def test_truncation_draws_towards_the_mean_and_can_be_left_out():
    model = tiny()
    model.settle(rng(0, "test"))
    mean, spread = model.latent_statistics(rng(0, "test"), 10_000)
    assert torch.allclose(mean, model.mean_latent.repeat(model.rows))
    w = model.styles(rng(9, "test").normal([5000, 8]))
    told = (w - mean[:8]).square().sum(1).mean().sqrt()
    assert spread == pytest.approx(told.item(), rel=0.05)
    none, all_of_it = (model.sample(4, rng(1, "test"), psi) for psi in (0.0, 1.0))
    rows = mean.unflatten(0, (1, model.rows, 8)).expand(4, -1, -1)
    draw = rng(1, "test")
    draw.normal([4, 8])
    expected = model.synthesis(rows, model._noise(4, draw), Growth(16))
    assert torch.allclose(none, expected, atol=1e-5)
    draw = rng(1, "test")
    w = model.styles(draw.normal([4, 8]))[:, None].expand(-1, model.rows, -1)
    expected = model.synthesis(w, model._noise(4, draw), Growth(16))
    assert torch.allclose(all_of_it, expected, atol=1e-5)


def test_the_discriminator_sees_how_much_images_differ():
    same = torch.ones(4, 2, 3, 3)
    assert torch.allclose(with_spread(same)[:, 2], torch.tensor(1e-4), atol=1e-5)
    different = rng(0, "test").normal([8, 2, 3, 3])
    channel = with_spread(different)[:, 2, 0, 0]
    for group in (slice(0, 4), slice(4, 8)):
        expected = different[group].std(0, correction=0).mean()
        assert torch.allclose(channel[group], expected, atol=1e-4)
    assert with_spread(different[:3]).shape == (3, 3, 3, 3)


def test_blur_is_binomial():
    dot = torch.zeros(1, 1, 5, 5)
    dot[0, 0, 2, 2] = 16
    expected = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])
    assert torch.equal(blurred(dot)[0, 0, 1:4, 1:4], expected)
    assert float(blurred(dot).sum()) == 16


def test_first_weights_come_from_names_alone():
    torch.manual_seed(1)
    one = tiny().state_dict()
    torch.manual_seed(2)
    other = tiny().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(isinstance(m, Equalised) for m in tiny().discriminator().modules())


def test_wrong_sizes_and_latents_end_in_one_sentence():
    with pytest.raises(PipelineError, match="power of two, 8 or more, not 12"):
        tiny(12)
    with pytest.raises(PipelineError, match=r"\[images, 48\], not \[2, 8\]"):
        tiny().decode(torch.zeros(2, 8))
