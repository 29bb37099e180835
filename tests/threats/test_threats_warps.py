"""Edits of place, against SciPy's resampling."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate, map_coordinates

from pipeline_steps.core.rng import rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.filters import gaussian
from pipeline_steps.threats.perturbations.elastic import Elastic, smoothed
from pipeline_steps.threats.perturbations.warp import Warp, generalised_sign
from pipeline_steps.threats.warping import warped

MODES = {"black": "grid-constant", "grey": "grid-constant", "nearest": "nearest"}


def an_image(height=9, width=12):
    return rng(0, "image").uniform([2, 3, height, width]).double()


def resampled(images, flow, outside):
    """SciPy's answer."""
    mode, shade = MODES[outside], 0.5 if outside == "grey" else 0.0
    height, width = images.shape[-2:]
    rows, columns = np.mgrid[:height, :width].astype(float)
    result = np.empty_like(images.numpy())
    for n, image in enumerate(images.numpy()):
        places = [rows + flow[n, 1].numpy(), columns + flow[n, 0].numpy()]
        for c, channel in enumerate(image):
            result[n, c] = map_coordinates(
                channel, places, order=1, mode=mode, cval=shade
            )
    return torch.from_numpy(result)


@pytest.mark.parametrize("outside", MODES)
@pytest.mark.parametrize("reach", [0.3, 2.0, 30.0])
def test_a_warp_is_scipy_s(outside, reach):
    images = an_image()
    flow = reach * (2 * rng(1).uniform([2, 2, 9, 12]).double() - 1)
    expected = resampled(images, flow, outside)
    assert torch.allclose(warped(images, flow, outside), expected, atol=1e-12)


@pytest.mark.parametrize("outside", MODES)
@pytest.mark.parametrize("size", [7, 16, 31, 224])
def test_no_flow_gives_the_image_back_bit_by_bit(outside, size):
    images = rng(0, size).uniform([1, 3, size, size])
    assert torch.equal(warped(images, torch.zeros(1, 2, size, size), outside), images)


@pytest.mark.parametrize("outside", [*MODES, None])
def test_a_warp_s_border_is_the_paper_s_kernel_unless_another_is_chosen(outside):
    """JAT 5, on images in [-1, 1]: a sum over the image's own pixels, by hand."""
    images = an_image(5, 6)[:1]
    flow = 1.5 * (2 * rng(5).uniform([1, 2, 5, 6]).double() - 1)
    scaled, expected = 2 * images - 1, torch.zeros(1, 3, 5, 6).double()
    for i in range(5):
        for j in range(6):
            row, column = i + flow[0, 1, i, j], j + flow[0, 0, i, j]
            for k in range(5):
                for m in range(6):
                    weight = (1 - (row - k).abs()).clamp(0) * (
                        1 - (column - m).abs()
                    ).clamp(0)
                    expected[0, :, i, j] += weight * scaled[0, :, k, m]
    told = {} if outside is None else {"outside": outside}
    edited = Warp(1.5, 0.5, **told).apply(Batch(images, torch.zeros(1)), [flow])
    agrees = torch.allclose(2 * edited - 1, expected, atol=1e-12)
    assert agrees == (outside in ("grey", None))


def test_whole_pixels_are_a_shift():
    images, flow = an_image().float(), torch.zeros(2, 2, 9, 12)
    flow[:, 0] = 1
    shifted = warped(images, flow, "nearest")
    assert torch.equal(shifted[..., :-1], images[..., 1:])
    assert torch.equal(shifted[..., -1], images[..., -1])


def test_the_generalised_sign_keeps_the_direction():
    """JAT eq. 8."""
    gradient = torch.tensor([[3.0, 4.0], [-1e-30, 0.0], [0.0, 0.0], [1e30, -1e30]])
    signs = generalised_sign(gradient.T[None, :, :, None])[0, :, :, 0].T
    half = 0.5**0.5
    expected = torch.tensor([[0.6, 0.8], [-1.0, 0.0], [0.0, 0.0], [half, -half]])
    assert torch.allclose(signs, expected)


def test_a_flow_s_arrows_are_shortened_not_cut():
    """JAT eq. 6."""
    warp, batch = Warp(0.5, 2.0), Batch(an_image().float(), torch.zeros(2))
    gradient = rng(2).normal([2, 2, 9, 12])
    (flow,) = warp.step(batch, [torch.zeros(2, 2, 9, 12)], [gradient], 0)
    assert torch.allclose(flow, 0.5 * generalised_sign(gradient), atol=1e-6)


def test_arrows_start_anywhere_in_the_disc():
    batch = Batch(torch.zeros(1, 3, 100, 100), torch.zeros(1))
    (flow,) = Warp(2.0, 1.0).start(batch, rng(0))
    share = flow.square().sum(1).flatten() / 4
    deciles = torch.linspace(0.1, 0.9, 9)
    assert torch.allclose(share.quantile(deciles), deciles, atol=0.02)
    assert flow.mean((0, 2, 3)).abs().max() < 0.05


@pytest.mark.parametrize(
    ("size", "width", "spread"), [(32, 5, 3 * 32 / 224), (224, 25, 3.0), (256, 25, 3.0)]
)
def test_a_flow_is_smoothed_as_released(size, width, spread):
    """docs/methods/attacks.md#elastic: (k, σ) is (5, 0.4286) at 32 pixels, (25, 3) at 224."""
    flow = rng(3).normal([1, 2, size, size]).double()
    places = np.arange(width) - (width - 1) / 2
    kernel = np.exp(-((places / spread) ** 2) / 2)
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    expected = np.stack([correlate(f, kernel, mode="mirror") for f in flow[0].numpy()])
    assert np.allclose(smoothed(flow)[0].numpy(), expected, atol=1e-12)


def test_a_gaussian_sums_to_one():
    weights = gaussian(25, 3.0, torch.float64, torch.device("cpu"))
    assert torch.isclose(weights.sum(), torch.tensor(1.0).double())
    assert torch.equal(weights, weights.flip(0))


def test_an_elastic_edit_is_the_warp_by_the_smoothed_flow():
    images, flow = an_image(), rng(4).normal([2, 2, 9, 12]).double()
    edited = Elastic(1.0, 0.1).apply(Batch(images, torch.zeros(2)), [flow])
    expected = resampled(images, smoothed(flow), "black")
    assert torch.allclose(edited, expected, atol=1e-12)
