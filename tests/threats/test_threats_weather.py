"""Fog, snow and Gabor noise, against what is known of their shapes."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from pipeline_steps.core.rng import rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbations import gabor, snow
from pipeline_steps.threats.perturbations.fog import TYPICAL, Fog, plasma
from pipeline_steps.threats.perturbations.gabor import Gabor
from pipeline_steps.threats.perturbations.snow import Snow


def a_batch(size=16, count=2, seed=0):
    return Batch(rng(seed).uniform([count, 3, size, size]), torch.zeros(count))


def diamond_square(numbers, side):
    """The algorithm as it is told in words, point by point."""
    field, numbers = np.zeros((side, side)), iter(numbers)
    step, wibble = side, 1.0
    while step > 1:
        half = step // 2
        corners = range(0, side, step)
        for offset, around in (
            ((half, half), [(-1, -1), (-1, 1), (1, -1), (1, 1)]),
            ((0, half), [(-1, 0), (1, 0), (0, -1), (0, 1)]),
            ((half, 0), [(-1, 0), (1, 0), (0, -1), (0, 1)]),
        ):
            for top in corners:
                for left in corners:
                    row, column = top + offset[0], left + offset[1]
                    near = [
                        field[(row + half * r) % side, (column + half * c) % side]
                        for r, c in around
                    ]
                    wild = wibble * (2 * next(numbers) - 1)
                    field[row, column] = np.mean(near) + wild
        step, wibble = half, wibble / 2
    return field


@pytest.mark.parametrize("side", [2, 8, 32])
def test_a_fog_s_map_is_the_diamond_square_algorithm_s(side):
    numbers = rng(side).uniform([2, side**2 - 1]).double()
    fields = plasma(numbers, side)
    assert fields.shape == (2, 1, side, side)
    for field, own in zip(fields, numbers.numpy(), strict=True):
        assert np.allclose(field[0].numpy(), diamond_square(own, side), atol=1e-12)


def test_a_fog_s_spectrum_falls_as_a_fractal_s():
    """Noise that halves with each halving of the scale has a power of 1/f⁴ on the plane."""
    fields = plasma(rng(0).uniform([64, 128**2 - 1]), 128)[:, 0].numpy()
    power = (np.abs(np.fft.fft2(fields)) ** 2).mean(0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128) * 128] * 2))
    rings = [(frequency >= f) & (frequency < 1.4 * f) for f in (2, 4, 8, 16, 32)]
    levels = [np.log2(power[ring].mean()) for ring in rings]
    assert np.polyfit(range(5), levels, 1)[0] == pytest.approx(-4, abs=0.5)


@pytest.mark.parametrize(("size", "side"), [(16, 32), (32, 64), (224, 256), (256, 512)])
def test_a_fog_s_map_is_the_next_power_of_two(size, side):
    (numbers,) = Fog(0.5, 0.1).start(a_batch(size, count=1), rng(0))
    assert numbers.shape == (1, side**2 - 1)


@pytest.mark.parametrize(("size", "side"), [(16, 16), (17, 32), (224, 256), (256, 256)])
def test_a_fog_s_map_may_be_as_large_as_the_image(size, side):
    """DMAT's is, at 256 pixels."""
    fog, batch = Fog(0.5, 0.1, cropped=False), a_batch(size, count=1)
    (numbers,) = fog.start(batch, rng(0))
    assert numbers.shape == (1, side**2 - 1)


@pytest.mark.parametrize("limits", ["typical", "image", "batch"])
def test_fog_lies_over_the_image_as_released(limits):
    """docs/methods/attacks.md#fog: (x + eps·fog) / (xmax + eps), the fog from 0 to 1."""
    batch, fog = a_batch(16), Fog(0.5, 0.1, cropped=False, limits=limits)
    (numbers,) = fog.start(batch, rng(0))
    density = plasma(numbers, 16)
    over = {"image": (2, 3), "batch": (0, 1, 2, 3)}.get(limits)
    if over:
        density = density - density.amin(over, keepdim=True)
        density = density / density.amax(over, keepdim=True)
    else:
        density = ((density + TYPICAL) / (2 * TYPICAL)).clamp(0, 1)
    brightest = batch.images.amax((2, 3), keepdim=True)
    expected = (batch.images + 0.5 * density) / (brightest + 0.5)
    assert torch.allclose(fog.apply(batch, [numbers]), expected, atol=1e-6)


def test_fog_without_strength_leaves_a_black_image_black():
    black = Batch(torch.zeros(1, 3, 16, 16), torch.zeros(1))
    fog = Fog(0.0, 0.1)
    assert torch.equal(fog.apply(black, fog.start(black, rng(0))), black.images)


@pytest.mark.parametrize("down", range(2, 7))
@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_flake_s_line_runs_through_the_middle_to_its_end(down, width):
    for right in range(2, 7):
        line = snow.line(down, right, width).numpy()
        assert np.array_equal(line, line[::-1, ::-1])
        assert line[6, 6] == 1
        assert line[6 + down, 6 + right] == 1
        rows, columns = np.nonzero(line > 0)
        along = (rows - 6) * right - (columns - 6) * down
        # From the line's middle, across its longer side.
        reach = np.abs(along) / max(down, right)
        slope = min(down, right) / max(down, right)
        assert reach.max() < 1 + width * math.sqrt(1 + slope) / 4
        ends = (rows, columns)[int(right >= down)] - 6
        assert np.abs(ends).max() == max(down, right)


def test_streaks_are_blurred_lines_of_one_direction():
    batch = a_batch(16, count=40)
    _, streaks = Snow(0.1, 0.1).start(batch, rng(0))
    assert streaks.shape == (40, 7, 13, 13)
    assert torch.allclose(streaks, streaks.flip(-1, -2), atol=1e-6)
    places = torch.arange(-6, 7).float()
    lean = (streaks * places * places[:, None]).sum((2, 3)).sign()
    assert (lean == lean[:, :1]).all()
    assert set(lean[:, 0].tolist()) == {-1.0, 1.0}


def test_a_flake_leaves_its_layer_s_streak_where_it_is():
    batch = Batch(torch.zeros(1, 3, 32, 32), torch.zeros(1))
    edit = Snow(0.3, 0.1)
    flakes, streaks = edit.start(batch, rng(0))
    for layer, corner in enumerate(
        [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (3, 0)]
    ):
        flakes = torch.zeros_like(flakes)
        flakes[0, layer, 4, 3] = 0.9
        fallen = edit.apply(batch, [flakes, streaks]) - snow.greyed(batch.images)
        row, column = 16 + corner[0], 12 + corner[1]
        expected = torch.zeros(32, 32)
        place = slice(row - 6, row + 7), slice(column - 6, column + 7)
        expected[place] = 0.3 * 0.9**4 * streaks[0, layer]
        assert torch.allclose(fallen, expected.expand(1, 3, 32, 32), atol=1e-6)


def test_a_snowy_image_is_greyed_as_released():
    colour = torch.tensor([0.2, 0.4, 0.6])[None, :, None, None]
    grey = 1.5 * (0.2126 * 0.2 + 0.7152 * 0.4 + 0.0722 * 0.6) + 0.5
    assert torch.allclose(snow.greyed(colour), 0.75 * colour + 0.25 * grey)
    white = torch.ones(1, 3, 4, 4)
    assert torch.allclose(snow.greyed(white).clamp(0, 1), white)


def test_flakes_are_capped_block_by_block():
    flakes = rng(0).uniform([2, 7, 16, 16])
    flakes[:, :, :8, :8] *= 0.1
    capped = snow.capped(flakes)
    assert torch.equal(capped[:, :, :8, :8], flakes[:, :, :8, :8])
    assert torch.allclose(avg_pool2d(capped, 8)[:, :, 1, 1], torch.tensor(0.2))


def peer_kernel(sides, spread, frequency, angle):
    """The released kernel, summed side by side."""
    y, x = np.mgrid[:23, :23] / 22 - 0.5
    total = np.zeros((23, 23))
    for turn in range(sides):
        turned = angle + np.pi * turn / sides
        along = x * np.cos(turned) + y * np.sin(turned)
        across = -x * np.sin(turned) + y * np.cos(turned)
        bell = np.exp(-0.5 * (along**2 + across**2) / (spread + 1e-3) ** 2)
        total += bell * np.cos(2 * np.pi * frequency * along)
    return total


def test_gabor_kernels_are_sums_of_turned_waves():
    sides, spread = (
        torch.tensor([1.0, 2, 7, 10]).double(),
        torch.full([4], 0.25).double(),
    )
    frequency, angle = spread + torch.arange(4) + 3, torch.arange(4).double() / 2
    made = gabor.kernel(sides, spread, frequency, angle)
    for n in range(4):
        values = (t[n].item() for t in (spread, frequency, angle))
        expected = peer_kernel(int(sides[n]), *values)
        assert np.allclose(made[n, 0].numpy(), expected, atol=1e-12)


def test_gabor_kernels_are_drawn_over_the_released_ranges():
    drawn = torch.tensor([[0.0] * 4, [0.9999999] * 4]).double()
    least, most = gabor.kernels_from(drawn).numpy()
    assert np.allclose(least[0], peer_kernel(1, 0.1, 3, 0))
    assert np.allclose(most[0], peer_kernel(10, 0.4, 5.75, np.pi), atol=1e-4)


@pytest.mark.parametrize("size", [8, 32])
def test_gabor_noise_has_one_point_in_fourteen_pixels(size):
    points, support, _ = Gabor(0.1, 0.1).start(a_batch(size, count=5), rng(0))
    assert (support.sum((1, 2, 3)) == math.ceil(size**2 / 14)).all()
    assert torch.equal(points != 0, support != 0)


@pytest.mark.parametrize("edited", ["points", "rest"])
def test_gabor_noise_moves_where_it_shall(edited):
    batch, edit = a_batch(16), Gabor(0.1, 0.1, edited)
    start = edit.start(batch, rng(0))
    points, support, kernels = edit.step(
        batch, start, [torch.ones_like(start[0])] * 3, 0
    )
    kept = support if edited == "points" else 1 - support
    assert torch.allclose(points, (start[0] + 0.1).clamp(-1, 1) * kept)
    assert torch.equal(kernels, start[2])


def test_gabor_noise_is_even_and_from_0_to_1():
    noise = gabor.evened(rng(0).normal([2, 1, 32, 32]))
    assert torch.equal(noise.amin((1, 2, 3)), torch.zeros(2))
    assert torch.equal(noise.amax((1, 2, 3)), torch.ones(2))
    # Nearly all that remains of the strength is its sign.
    assert ((noise < 0.1) | (noise > 0.9)).float().mean() > 0.8
    flat = torch.full([1, 1, 8, 8], 0.3, requires_grad=True)
    even = gabor.evened(flat)
    assert torch.autograd.grad(even.sum(), flat)[0].isfinite().all()
