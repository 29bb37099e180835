"""Whole unseen attacks beside an independent form of UAR's, on one small network."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmarks.uar import landscape, streak
from benchmarks.unseen import left_by_ours, left_by_peer, unseen
from pipeline_steps.config.load import load_config
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.perturbations.elastic import Elastic
from pipeline_steps.threats.perturbations.fog import TYPICAL
from pipeline_steps.threats.perturbations.jpeg import Jpeg
from pipeline_steps.threats.perturbations.pixel import Pixel
from pipeline_steps.threats.perturbations.snow import line

PLAN = Specs(load_config("paper"))


class Linear(nn.Module):
    """Two classes by a sum of all values, so that every slope is known."""

    def __init__(self, size: int) -> None:
        super().__init__()
        weights = rng(0, "weights").normal([3, size, size])
        # So small that no loss is so low that its slope is 0.
        self.register_buffer("weights", weights / 100)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height = (self.weights * images).flatten(1).sum(1)
        return torch.stack([-height, height], 1)


def moved(name: str, size: int = 64) -> torch.Tensor:
    """How far a threat of the config moves each value of two images."""
    images = rng(0, "images").uniform([2, 3, size, size])
    threat = build_threat(PLAN.threat(name, "om-imagenet"), {})
    batch = Batch(images, torch.zeros(2, dtype=torch.long))
    edited = threat(Linear(size), batch, image_rng(0, range(2), "attack"))
    return (edited - images).abs().flatten(1)


def test_single_steps_in_l1_hardly_move_an_image():
    """Why `l1` stands in no table: a value is full after a step, and there are 50 of them."""
    assert int((moved("l1") > 0.3).sum(1).max()) <= 50
    assert int((moved("l1-fw") > 0.3).sum(1).min()) > 300


@pytest.mark.parametrize(("bounds", "reached"), [({}, 1.0), ({"bounds": "fixed"}, 2.0)])
def test_a_jpeg_s_coefficients_go_as_far_as_the_reference_s(bounds, reached):
    """On one slope for ever: 1,024 numbers at 1, where fixed bounds make 512 of 2."""
    edit = Jpeg(norm="l1", epsilon=1024.0, step_size=0.0, **bounds)
    batch = Batch(torch.zeros(1, 3, 64, 64), torch.zeros(1))
    slope = rng(0, "slope").normal([1, 64**2 * 3 // 2])
    parameters = edit.start(batch, rng(0))
    for iteration in range(600):
        parameters = edit.step(batch, parameters, [slope], iteration)
    far = parameters[0].abs()
    assert float(far.sum()) == pytest.approx(1024, rel=0.02)
    assert float(far.max()) == pytest.approx(reached, abs=0.05)
    assert int((far > 0.9 * reached).sum()) == pytest.approx(1024 / reached, rel=0.05)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_flake_s_streak_is_as_wide_as_the_reference_s(width):
    for down in range(2, 7):
        for right in range(2, 7):
            ours, peer = line(down, right, width).float(), streak(down, right, width)
            assert torch.allclose(ours, peer, atol=1e-6), (down, right)


@pytest.mark.parametrize(("corners", "aligned"), [("centres", True), ("edges", False)])
def test_a_flow_goes_where_grid_sample_takes_it(corners, aligned):
    """An image in the middle of a black one, for `edges` darkens the border."""
    images, side = rng(0, "images").uniform([2, 3, 32, 32]), torch.linspace(-1, 1, 32)
    edit = Elastic(0.5, 0.1, corners=corners)
    batch = Batch(images, torch.zeros(2))
    still = edit.apply(batch, [torch.zeros(2, 2, 32, 32)])
    rows, columns = torch.meshgrid(side, side, indexing="ij")
    grid = torch.stack([columns, rows], -1).expand(2, -1, -1, -1)
    expected = functional.grid_sample(images, grid, align_corners=aligned)
    assert torch.allclose(still, expected, atol=1e-5)
    assert torch.equal(still, images) == aligned
    assert (float(still[..., 0].mean() / images[..., 0].mean()) < 0.6) == (not aligned)


def test_l2_starts_at_another_image_brought_into_the_ball():
    """As advertorch does: always on the ball's surface, and inside the box."""
    batch = Batch(rng(0, "images").uniform([50, 3, 32, 32]), torch.zeros(50))
    edit = Pixel(norm="l2", epsilon=0.5, step_size=0.1, start_at="box")
    (start,) = edit.start(batch, image_rng(0, range(50), "attack"))
    lengths = start.flatten(1).norm(dim=1)
    assert torch.allclose(lengths, torch.full([50], 0.5), atol=1e-5)
    away = (start / start.flatten(1).norm(dim=1).view(-1, 1, 1, 1)).flatten(1)
    # It leads away from bright and from dark pixels, as no start in a ball would.
    lean = (away * (0.5 - batch.images).flatten(1)).sum(1)
    assert float(lean.min()) > 0
    edited = batch.images + start
    assert edited.min() >= 0
    assert edited.max() <= 1
    assert PLAN.threat("l2", "om-imagenet").model_dump()["edit"]["start_at"] == "box"


def test_the_limits_of_a_fog_are_those_of_batches_of_16():
    draw, spans = torch.Generator().manual_seed(0), []
    for _ in range(40):
        grids = [
            torch.rand(16, 2**level, 2**level, generator=draw)
            for level in range(6)
            for _ in range(3)
        ]
        fields = landscape(grids, 64) / 100
        spans.append(float(fields.max() - fields.min()) / 2)
    assert sum(spans) / len(spans) == pytest.approx(TYPICAL, abs=0.05)


STEPS = 30
# Points that random numbers may change on 48 images.
ROOM = 11


def percent(right):
    return 100 * float(right.float().mean())


@pytest.mark.parametrize(
    "name", ["fog", "snow", "gabor", "elastic", "jpeg", "l1", "l2"]
)
def test_a_whole_unseen_attack_leaves_what_the_reference_leaves(enlarged, name):
    """It agrees as often as the reference does with itself, by other random numbers."""
    model, images, labels, budgets = enlarged
    told = model, unseen(name, budgets[name], STEPS), images, labels, STEPS
    theirs, again = (left_by_peer(*told, seed) for seed in (0, 1))
    ours = left_by_ours(*told)
    assert 10 < percent(theirs) < 90
    assert percent(ours) == pytest.approx(percent(theirs), abs=ROOM)
    assert percent(ours == theirs) >= percent(again == theirs) - ROOM


@pytest.mark.parametrize(
    ("name", "changed"),
    [("fog", {"limits": "image"}), ("jpeg", {"bounds": "fixed"})],
)
def test_an_attack_as_it_was_is_too_strong(enlarged, name, changed):
    """So that what is tested above can fail."""
    model, images, labels, budgets = enlarged
    told = model, unseen(name, budgets[name], STEPS, **changed), images, labels, STEPS
    assert percent(left_by_ours(*told)) < percent(left_by_peer(*told)) - ROOM
