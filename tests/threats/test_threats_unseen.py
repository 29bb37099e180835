"""Whole unseen attacks beside an independent form of UAR's, on one small network."""

import pytest
import torch
from torch import nn

from benchmarks.uar import Uar
from pipeline_steps.config.load import load_config
from pipeline_steps.config.resolve import Plan
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.perturbations import snow
from pipeline_steps.threats.perturbations.jpeg import Jpeg

PLAN = Plan(load_config("paper"))


class Linear(nn.Module):
    """Two classes by a sum of all values, so that every slope is known."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("weights", rng(0, "weights").normal([3, size, size]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height = (self.weights * images).flatten(1).sum(1)
        return torch.stack([-height, height], 1)


def moved(name: str, size: int = 256) -> torch.Tensor:
    """How far a threat of the config moves each value of two images."""
    images = rng(0, "images").uniform([2, 3, size, size])
    threat = build_threat(PLAN.threat(name, "om-imagenet"), {})
    batch = Batch(images, torch.zeros(2, dtype=torch.long))
    edited = threat(Linear(size), batch, image_rng(0, range(2), "attack"))
    return (edited - images).abs().flatten(1)


def test_single_steps_in_l1_hardly_move_an_image():
    """Why `l1` stands in no table: a value is full after a step, and there are 50 of them."""
    assert int((moved("l1") > 0.1).sum(1).max()) <= 50
    assert int((moved("l1-fw") > 0.1).sum(1).min()) > 500


@pytest.mark.parametrize(("bounds", "reached"), [({}, 1.0), ({"bounds": "fixed"}, 2.0)])
def test_a_jpeg_s_coefficients_go_as_far_as_the_reference_s(bounds, reached):
    """On one slope for ever: 1,024 numbers at 1, where fixed bounds make 512 of 2."""
    edit = Jpeg(norm="l1", epsilon=1024.0, step_size=0.0, **bounds)
    batch = Batch(torch.zeros(1, 3, 64, 64), torch.zeros(1))
    slope = rng(0, "slope").normal([1, 64**2 * 3 // 2])
    parameters = edit.start(batch, rng(0))
    for iteration in range(2000):
        parameters = edit.step(batch, parameters, [slope], iteration)
    far = parameters[0].abs()
    assert float(far.sum()) == pytest.approx(1024, rel=0.02)
    assert float(far.max()) == pytest.approx(reached, abs=0.05)
    assert int((far > 0.9 * reached).sum()) == pytest.approx(1024 / reached, rel=0.05)
