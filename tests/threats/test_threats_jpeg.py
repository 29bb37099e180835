"""JPEG's pipeline against Pillow's and SciPy's."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn, idctn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.perturbations.jpeg import (
    CHROMINANCE,
    LUMINANCE,
    Jpeg,
    decoded,
)

SIZE = 32
JPEG = Jpeg(norm="linf", epsilon=1.0, step_size=0.1)


def smooth(channels, seed, fall):
    """A natural sort of image, as bytes [H, W, C]: few high frequencies."""
    noise = rng(seed, "smooth").normal([channels, SIZE, SIZE]).numpy()
    distance = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIZE) * SIZE] * 2))
    field = np.fft.ifft2(np.fft.fft2(noise) / (1 + distance) ** fall).real
    field = 128 + 40 * field / field.std()
    return field.clip(20, 235).round().astype(np.uint8).transpose(1, 2, 0)


def through_pillow(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", subsampling="4:2:0", **options)
    return np.asarray(Image.open(file), dtype=float)


def as_batch(pixels):
    images = torch.from_numpy(pixels.copy()).double().permute(2, 0, 1)[None] / 255
    return Batch(images, torch.zeros(1))


def as_pixels(images):
    return 255 * images[0].permute(1, 2, 0).numpy()


def blocks(plane):
    return plane.reshape(SIZE // 8, 8, SIZE // 8, 8)


@pytest.mark.parametrize("seed", range(3))
def test_without_an_addition_only_colours_lose_detail(seed):
    """Pillow at its finest tables, where rounding hardly matters; it smooths colours
    where docs/methods/attacks.md#jpeg repeats them, so edges of colours differ a little."""
    pixels = smooth(3, seed, fall=3)
    batch = as_batch(pixels)
    ours = as_pixels(JPEG.apply(batch, [torch.zeros(1, SIZE**2 * 3 // 2).double()]))
    theirs = through_pillow(pixels, quality=100)
    grey = [0.299, 0.587, 0.114]
    assert np.abs(ours @ grey - theirs @ grey).max() < 2
    assert np.abs(ours - theirs).mean() < 2
    # A colour that is the same in each square of four loses nothing.
    coarse = np.repeat(np.repeat(pixels[::2, ::2], 2, 0), 2, 1)
    kept = JPEG.apply(as_batch(coarse), [torch.zeros(1, SIZE**2 * 3 // 2).double()])
    assert np.allclose(as_pixels(kept), coarse, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_with_rounding_as_the_addition_it_is_pillow_s(seed):
    """What a file of quality 50 rounds, added to an image's coefficients, is that file."""
    pixels = np.repeat(smooth(1, seed, fall=2), 3, 2)
    batch = as_batch(pixels)
    plane = blocks(pixels[..., 0] - 128.0)
    table = np.array(LUMINANCE)[None, :, None, :]
    quantised = dctn(plane, axes=(1, 3), norm="ortho") / table
    rounding = torch.zeros(1, SIZE**2 * 3 // 2).double()
    rounding[0, : SIZE**2] = torch.from_numpy(
        2 * (quantised.round() - quantised).reshape(-1)
    )
    ours = as_pixels(JPEG.apply(batch, [rounding]))
    theirs = through_pillow(pixels, quality=50)
    # Pillow reckons in whole numbers, and may round a near tie to the other side.
    ties = np.abs(np.abs(quantised.round() - quantised) - 0.5) < 0.01
    sure = ~ties.any((1, 3)).repeat(8, 0).repeat(8, 1)
    assert sure.mean() > 0.2
    assert np.abs(ours - pixels)[sure].max() > 5
    assert np.abs(ours - theirs)[sure].max() <= 1.5


def test_coefficients_are_decoded_as_scipy_does():
    draw = rng(0).normal([1, SIZE**2 * 3 // 2]).double()
    luma, *chroma = draw[0].split([SIZE**2, SIZE**2 // 4, SIZE**2 // 4])
    half = SIZE // 2

    def plane(values, side, table):
        cut = values.numpy().reshape(side // 8, 8, side // 8, 8)
        steps = np.array(table)[None, :, None, :]
        return idctn(cut * steps, axes=(1, 3), norm="ortho").reshape(side, side)

    y = plane(luma, SIZE, LUMINANCE)
    cb, cr = (np.kron(plane(c, half, CHROMINANCE), np.ones((2, 2))) for c in chroma)
    red, green = y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr
    expected = np.stack([red, green, y + 1.772 * cb]) / 255
    assert np.allclose(decoded(draw, SIZE, SIZE)[0].numpy(), expected, atol=1e-12)


def test_the_tables_are_those_of_the_standard():
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", quality=50)
    tables = Image.open(file).quantization
    assert np.array_equal(np.reshape(tables[0], (8, 8)), LUMINANCE)
    assert np.array_equal(np.reshape(tables[1], (8, 8)), CHROMINANCE)


@pytest.mark.parametrize("shape", [(3, 24, 16), (3, 16, 8), (1, 16, 16)])
def test_an_image_that_jpeg_cannot_cut_into_blocks_is_told(shape):
    with pytest.raises(PipelineError, match="multiples of 16"):
        JPEG.start(Batch(torch.zeros(1, *shape), torch.zeros(1)), rng(0))
