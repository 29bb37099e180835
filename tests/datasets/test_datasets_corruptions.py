"""The fifteen corruptions: the published ones, image by image, and no image by another."""

import colorsys
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make, words
from pipeline_steps.core.rng import image_rng
from pipeline_steps.datasets import filters
from pipeline_steps.datasets.corruption import (
    CORRUPTIONS,
    SEVERITIES,
    corrupt,
    levels,
    to_bytes,
)
from pipeline_steps.datasets.corruptions import (
    defocus_blur,
    elastic_transform,
    fog,
    glass_blur,
    zoom_blur,
)

every_corruption = pytest.mark.parametrize("word", CORRUPTIONS)


def photographs(count: int, size: int, seed: int = 0, channels: int = 3) -> Tensor:
    """Smooth noise of several scales with hard edges in it; all levels occur."""
    draw = np.random.default_rng(seed)
    images = np.zeros((count, channels, size, size))
    for sigma in (0.5, 2, 6):
        noise = draw.normal(size=images.shape)
        images += ndimage.gaussian_filter(noise, (0, 0, sigma, sigma)) * sigma
    images[:, :, : size // 3, : size // 2] += 1
    low, high = (
        images.min((1, 2, 3), keepdims=True),
        images.max((1, 2, 3), keepdims=True),
    )
    return torch.from_numpy((images - low) / (high - low) * 255).round().to(torch.uint8)


def textures(side: int = 330) -> list[Tensor]:
    """Stands for the photographs of ice where those are not needed."""
    return list(photographs(5, side, seed=9))


def corruption(word: str):
    return make("corruption", {"corruption": word}, **_given(word))


def _given(word: str) -> dict:
    return {"textures": textures()} if word == "frost" else {}


def corrupted(word: str, images: Tensor, severity: int, first: int = 0, seed: int = 0):
    return corrupt(corruption(word), word, images, first, severity, seed)


def floated(images: Tensor) -> Tensor:
    return images.float() / 255


def test_every_published_corruption_is_a_registered_word():
    assert set(words("corruption")) == set(CORRUPTIONS)
    assert len(CORRUPTIONS) == 15


@every_corruption
@pytest.mark.parametrize("size", [16, 32, 64])
def test_images_keep_form_and_range_and_the_same_seed_gives_the_same_bytes(word, size):
    images = photographs(3, size)
    for severity in SEVERITIES:
        once = corrupted(word, images, severity)
        assert once.dtype == torch.uint8
        assert once.shape == images.shape
        assert torch.equal(once, corrupted(word, images, severity))
        plain = corruption(word).apply(
            floated(images), severity, image_rng(0, range(3), "any")
        )
        assert plain.isfinite().all()
    grey = photographs(2, size, channels=1)
    assert corrupted(word, grey, 3).shape == grey.shape


RANDOM = {"gaussian_noise", "shot_noise", "impulse_noise", "glass_blur", "motion_blur"}
RANDOM |= {"snow", "frost", "fog", "elastic_transform"}


@every_corruption
def test_another_seed_draws_anew_where_anything_is_drawn(word):
    images = photographs(4, 32)
    same = torch.equal(corrupted(word, images, 5), corrupted(word, images, 5, seed=1))
    assert same == (word not in RANDOM)


@every_corruption
@pytest.mark.parametrize("size", [20, 32, 72])
def test_no_image_depends_on_the_batch_that_it_stands_in(word, size):
    """Every byte is the same for other batch sizes, and in another order."""
    images = photographs(7 if size > 64 else 37, size)
    whole = corrupted(word, images, 4)
    for batch in (1, 5, 16):
        parts = [
            corrupted(word, images[start : start + batch], 4, first=start)
            for start in range(0, len(images), batch)
        ]
        assert torch.equal(torch.cat(parts), whole)
    alone = corruption(word)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    draw = image_rng(0, order.tolist(), "corruption", word, 4)
    shuffled = to_bytes(alone.apply(floated(images[order]), 4, draw))
    assert torch.equal(shuffled, whole[order])


@every_corruption
def test_threads_change_nothing(word):
    images = photographs(24, 32)
    one = corrupted(word, images, 4)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(corrupted(word, images, 4), one)
    finally:
        torch.set_num_threads(before)


# Of the rest the published parameters themselves don't rise by distance: frost keeps less
# of the image but adds less ice, and elastic's first severity moves corners the most.
IN_ORDER = {"gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur"}
IN_ORDER |= {"motion_blur", "zoom_blur", "brightness", "contrast", "pixelate"}
IN_ORDER |= {"jpeg_compression"}


def distances(word: str, images: Tensor) -> list[float]:
    """The mean L2 distance at each severity."""
    moved = (floated(corrupted(word, images, s)) - floated(images) for s in SEVERITIES)
    return [each.flatten(1).norm(dim=1).mean().item() for each in moved]


@pytest.mark.parametrize("size", [32, 64])
def test_each_severity_is_farther_from_the_image(size):
    images = photographs(24, size)
    told = {word: distances(word, images) for word in CORRUPTIONS}
    in_order = IN_ORDER | ({"snow", "fog"} if size == 32 else set())
    for word in in_order:
        assert told[word][0] > 0, word
        assert told[word] == sorted(told[word]), word
    over_all = np.mean(list(told.values()), axis=0).tolist()
    assert over_all == sorted(over_all)


def test_a_photograph_of_ice_that_is_too_small_is_a_sentence():
    frost = make("corruption", {"corruption": "frost"}, textures=textures(60))
    with pytest.raises(PipelineError, match="60 × 60 pixels, too few for images of 64"):
        corrupt(frost, "frost", photographs(1, 64), 0, 1, 0)


def test_bytes_are_cut_off_and_rounding_noise_is_not():
    told = torch.tensor([-0.1, 126.9999, 127.0, 127.9, 254.6, 300.0]) / 255
    assert to_bytes(told).tolist() == [0, 127, 127, 127, 254, 255]


# What the parts do, against peers.


@pytest.mark.parametrize("sigma", [0.05, 0.25, 0.4, 1, 1.5])
def test_a_gaussian_blur_is_scipys(sigma):
    images = floated(photographs(3, 32)).double()
    expected = ndimage.gaussian_filter(
        images.numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4
    )
    assert np.allclose(filters.gaussian_blur(images, sigma), expected, atol=1e-12)


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("factor", [1, 1.01, 1.13, 1.25, 1.75, 2.25, 4.5])
def test_a_zoom_is_scipys(size, factor):
    images = floated(photographs(2, size)).double()
    part = math.ceil(size / factor)
    top = (size - part) // 2
    middle = images[:, :, top : top + part, top : top + part].numpy()
    whole = ndimage.zoom(middle, (1, 1, factor, factor), order=1)
    trim = (whole.shape[-1] - size) // 2
    expected = whole[:, :, trim : trim + size, trim : trim + size]
    assert np.allclose(filters.zoom(images, factor), expected, atol=1e-6)


def test_a_zoom_blur_takes_the_published_factors():
    images = floated(photographs(1, 32))
    taken = zoom_blur.ZoomBlur().apply(images, 3, None)
    factors = np.arange(1, 1.16, 0.01)
    expected = (images + sum(filters.zoom(images, f) for f in factors)) / 17
    assert torch.allclose(taken, expected, atol=1e-6)


@pytest.mark.parametrize(("edge_twice", "mode"), [(True, "reflect"), (False, "mirror")])
def test_sampling_between_pixels_is_scipys(edge_twice, mode):
    images = floated(photographs(2, 16)).double()
    draw = np.random.default_rng(0)
    places = draw.uniform(-8, 24, (2, 2, 16, 16))
    got = filters.sample(images, *torch.from_numpy(places).unbind(1), edge_twice)
    for image, (rows, columns), mine in zip(images, places, got, strict=True):
        for channel, one in zip(image.numpy(), mine.numpy(), strict=True):
            expected = ndimage.map_coordinates(
                channel, [rows, columns], order=1, mode=mode
            )
            assert np.allclose(one, expected, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.96, 6.4, 30])
def test_smoothing_by_a_matrix_is_scipys_gaussian(sigma):
    field = np.random.default_rng(0).uniform(-1, 1, (32, 32))
    matrix = filters.smoothing(32, sigma, 3).numpy()
    expected = ndimage.gaussian_filter(field, sigma, mode="reflect", truncate=3)
    assert np.allclose(matrix @ field @ matrix.T, expected, atol=1e-12)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [32, 64])
def test_defocus_is_a_disc_over_each_pixel(severity, size):
    images = floated(photographs(2, size))
    parameters = defocus_blur.LARGE if size == 64 else defocus_blur.SMALL
    radius, sigma = parameters[severity - 1]
    # The published grid; a disc that fills it is mirrored at its edge by the smoothing.
    grid = max(radius, 8)
    at = np.arange(-grid, grid + 1)
    inside = (at[:, None] ** 2 + at**2 <= radius**2).astype(float)
    reach = 1 if radius <= 8 else 2
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = ndimage.convolve(
        inside / inside.sum(), np.outer(bell, bell) / bell.sum() ** 2, mode="mirror"
    )
    expected = ndimage.correlate(
        images.numpy(), kernel[None, None].astype(np.float32), mode="mirror"
    )
    got = defocus_blur.DefocusBlur().apply(images, severity, None)
    assert np.allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(("radius", "sigma"), [(6, 1), (9, 2.5), (20, 15)])
@pytest.mark.parametrize("angle", [-135.0, -50, -45, -17, 0, 31, 45, 90])
def test_motion_blur_is_imagemagicks_formula(radius, sigma, angle):
    images = floated(photographs(1, 16, channels=1)).double()
    image, width = images[0, 0].numpy(), 2 * radius + 1
    weights = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(width)]
    point = width * math.sin(math.radians(angle)), width * math.cos(math.radians(angle))
    expected = np.zeros_like(image)
    for i, weight in enumerate(weights):
        x = math.ceil(i * point[1] / math.hypot(*point) - 0.5)
        y = math.ceil(i * point[0] / math.hypot(*point) - 0.5)
        rows = np.clip(np.arange(16) + y, 0, 15)
        columns = np.clip(np.arange(16) + x, 0, 15)
        expected += weight / sum(weights) * image[rows][:, columns]
    got = filters.motion_blur(images, torch.tensor([angle]), radius, sigma)
    assert np.allclose(got[0, 0], expected, atol=1e-9)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_moves_pixels_as_the_published_loop_does(reach):
    """Literally, with NumPy's views, by which the published swap is a copy."""
    size = 24
    draw = np.random.default_rng(reach)
    moves = draw.integers(-reach, reach, (2, size, size))
    image = photographs(1, size)[0].permute(1, 2, 0).numpy().copy()
    whole = torch.from_numpy(image.copy()).reshape(-1, 3)
    for h in range(size - reach, reach, -1):
        for w in range(size - reach, reach, -1):
            a, b = h + moves[0, h, w], w + moves[1, h, w]
            image[h, w], image[a, b] = image[a, b], image[h, w]
    origin = glass_blur.origins(torch.from_numpy(moves)[None], reach)
    assert (whole[origin[0].flatten()].reshape(size, size, 3).numpy() == image).all()


def published_plasma(draws: list[float], side: int, decay: float) -> np.ndarray:
    """The diamond-square algorithm, a point at a time."""
    heights, drawn = np.zeros((side, side)), iter(draws)
    step, wibble = side, 100.0
    while step >= 2:
        half, places = step // 2, range(0, side, step)

        def mean(points, wibble=wibble):
            total = sum(heights[a % side, b % side] for a, b in points)
            return total / 4 + wibble**2 * (2 * next(drawn) - 1)

        for i in places:
            for j in places:
                corners = [(i, j), (i + step, j), (i, j + step), (i + step, j + step)]
                heights[i + half, j + half] = mean(corners)
        for row, column in ((0, half), (half, 0)):
            for i in places:
                for j in places:
                    a, b = i + row, j + column
                    around = [
                        (a - half, b),
                        (a + half, b),
                        (a, b - half),
                        (a, b + half),
                    ]
                    heights[a, b] = mean(around)
        step, wibble = half, wibble / decay
    heights -= heights.min()
    return heights / heights.max()


@pytest.mark.parametrize("decay", [1.5, 3])
def test_fog_is_a_plasma_fractal(decay):
    side = 16
    draws = image_rng(0, [0, 1], "plasma").uniform([2, side * side - 1])
    got = fog.plasma(draws.double(), side, decay)
    for row, mine in zip(draws.tolist(), got, strict=True):
        assert np.allclose(mine, published_plasma(row, side, decay), atol=1e-9)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [16, 32, 64])
def test_pixelate_is_pillow_to_the_byte(severity, size):
    images = photographs(4, size)
    share = (0.6, 0.5, 0.4, 0.3, 0.25) if size == 64 else (0.95, 0.9, 0.85, 0.75, 0.65)
    fewer = int(size * share[severity - 1])
    for image, mine in zip(
        images, corrupted("pixelate", images, severity), strict=True
    ):
        photo = Image.fromarray(image.permute(1, 2, 0).numpy())
        small = photo.resize((fewer, fewer), Image.Resampling.BOX)
        expected = np.asarray(small.resize((size, size), Image.Resampling.BOX))
        assert (mine.permute(1, 2, 0).numpy() == expected).all()


def test_jpeg_is_pillows():
    image = photographs(1, 32)
    file = io.BytesIO()
    Image.fromarray(image[0].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=58)
    expected = np.asarray(Image.open(file))
    got = corrupted("jpeg_compression", image, 3)[0].permute(1, 2, 0).numpy()
    assert (got == expected).all()


@pytest.mark.parametrize(("severity", "more"), [(1, 0.05), (5, 0.3)])
def test_brightness_keeps_hue_and_saturation(severity, more):
    images = photographs(1, 16)
    images[0, :, 0, 0] = 0
    got = corruption("brightness").apply(floated(images), severity, None)
    pixels = floated(images)[0].flatten(1).T.tolist()
    for pixel, mine in zip(pixels, got[0].flatten(1).T.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + more, 1))
        assert mine == pytest.approx(expected, abs=1e-6)


def test_contrast_keeps_the_mean_of_each_channel():
    images = floated(photographs(2, 32))
    got = corruption("contrast").apply(images, 2, None)
    means = images.mean((2, 3), keepdim=True)
    assert torch.allclose(got, (images - means) * 0.5 + means, atol=1e-6)


def test_the_corners_of_an_elastic_image_move_as_they_were_told():
    moves = torch.tensor([[2.0, -1, 0.5, 3, -2.5, 1]], dtype=torch.float64)
    rows, columns = elastic_transform.affine(moves, 32)
    places = np.linalg.inv(
        np.array([[26 + 2, 26 - 1, 1], [26 + 0.5, 6 + 3, 1], [6 - 2.5, 6 + 1, 1]])
    ) @ np.array([[26, 26], [26, 6], [6, 6]])
    y, x = np.mgrid[:32, :32]
    expected = np.stack([x, y, np.ones_like(x)], -1) @ places
    assert np.allclose(columns[0], expected[..., 0])
    assert np.allclose(rows[0], expected[..., 1])
    still = elastic_transform.affine(torch.zeros(1, 6, dtype=torch.float64), 32)
    assert np.allclose(still[0][0], y)
    assert np.allclose(still[1][0], x)


def even(level: int, count: int = 40) -> Tensor:
    return torch.full((count, 3, 32, 32), level, dtype=torch.uint8)


def raw(word: str, images: Tensor, severity: int) -> Tensor:
    draw = image_rng(0, range(len(images)), "any")
    return corruption(word).apply(floated(images), severity, draw)


@pytest.mark.parametrize(("severity", "deviation"), [(1, 0.04), (5, 0.10)])
def test_normal_noise_has_the_published_deviation(severity, deviation):
    noisy = raw("gaussian_noise", even(128), severity)
    assert noisy.mean() == pytest.approx(128 / 255, abs=2e-3)
    assert noisy.std() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize(("severity", "photons"), [(1, 500), (3, 100), (5, 50)])
@pytest.mark.parametrize("level", [0, 1, 90, 255])
def test_shots_are_poisson_counts(severity, photons, level):
    counts = raw("shot_noise", even(level), severity) * photons
    mean = level / 255 * photons
    assert torch.allclose(counts, counts.round(), atol=1e-3)
    assert counts.mean() == pytest.approx(mean, rel=0.02, abs=1e-6)
    assert counts.var() == pytest.approx(mean, rel=0.05, abs=1e-6)
    at_most = (counts.round() <= math.floor(mean)).double().mean().item()
    expected = sum(
        math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) if mean else k == 0
        for k in range(math.floor(mean) + 1)
    )
    assert at_most == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("severity", "share"), [(1, 0.01), (5, 0.07)])
def test_impulses_are_salt_and_pepper_at_even_chances(severity, share):
    noisy = raw("impulse_noise", even(128), severity)
    for value in (0.0, 1.0):
        met = (noisy == value).double().mean().item()
        assert met == pytest.approx(share / 2, rel=0.08)
    assert ((noisy == 0) | (noisy == 1) | (noisy == 128 / 255)).all()


@pytest.mark.parametrize(("severity", "kept", "added"), [(1, 1, 0.2), (5, 0.75, 0.45)])
def test_frost_adds_a_cut_of_an_ice_photograph(severity, kept, added):
    ice = torch.arange(330 * 330).remainder(251).reshape(330, 330).to(torch.uint8)
    frost = make(
        "corruption", {"corruption": "frost"}, textures=[ice.expand(3, -1, -1)]
    )
    images = even(100, 3)
    got = frost.apply(floated(images), severity, image_rng(0, range(3), "any")) * 255
    fifth = ice[2::5, 2::5].float()
    for image in got:
        cut = (image[0] - kept * 100) / added
        fits = [
            (i, j)
            for i in range(66 - 32)
            for j in range(66 - 32)
            if torch.allclose(fifth[i : i + 32, j : j + 32], cut, atol=1e-2)
        ]
        assert fits


def test_snow_whitens_and_adds_flakes_from_two_sides():
    dark = raw("snow", even(60, 4), 5)
    assert (dark >= 60 / 255 - 1e-6).all()
    assert torch.allclose(dark, dark.flip(2, 3), atol=1e-6), "an even image shows it"
    assert dark.std() > 0.01


def test_levels_are_those_of_the_bytes():
    told = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(levels(floated(told)), told.float())
