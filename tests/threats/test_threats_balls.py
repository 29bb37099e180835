"""Balls: what lies in them, their nearest points, and their steepest steps."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from pipeline_steps.core.rng import rng
from pipeline_steps.threats.balls import Ball, frank_wolfe, normalised, vertex

ORDER = {"linf": torch.inf, "l2": 2, "l1": 1}
every_norm = pytest.mark.parametrize("norm", ORDER)


def norms(points, norm):
    return torch.linalg.vector_norm(points.flatten(1), ORDER[norm], dim=1)


@every_norm
def test_starts_fill_the_ball_evenly(norm):
    """The share of the volume within a start's norm is uniform on [0, 1]."""
    like = torch.zeros(1)
    starts = Ball(norm, 3.0).start(rng(0, norm), [4000, 1, 2, 2], like)
    share = (norms(starts, norm) / 3).pow(4)
    assert share.max() <= 1 + 1e-5
    deciles = share.quantile(torch.linspace(0.1, 0.9, 9))
    assert torch.allclose(deciles, torch.linspace(0.1, 0.9, 9), atol=0.03)
    assert starts.mean((0, 1, 2, 3)).abs() < 0.05
    assert torch.allclose(starts.flatten(1).sign().mean(0), like, atol=0.06)


@every_norm
def test_a_projection_is_the_nearest_point(norm):
    points = 2 * rng(1, norm).normal([5, 4]).double()
    projected = Ball(norm, 1.0).project(points)
    assert (norms(projected, norm) <= 1 + 1e-9).all()
    inside = 0.2 * points / norms(points, norm)[:, None]
    assert torch.equal(Ball(norm, 1.0).project(inside), inside)
    for point, nearest in zip(points.numpy(), projected, strict=True):
        # The positive and the negative part make the norm differentiable.
        def distance(parts, point=point):
            return np.sum((parts[:4] - parts[4:] - point) ** 2)

        def room(parts):
            whole = parts[:4] - parts[4:]
            return {
                "linf": 1 - np.concatenate([whole, -whole]),
                "l2": 1 - np.sum(whole**2),
                "l1": 1 - np.sum(parts),
            }[norm]

        peer = minimize(
            distance,
            np.full(8, 0.05),
            bounds=[(0, None)] * 8,
            constraints={"type": "ineq", "fun": room},
        )
        assert np.allclose(peer.x[:4] - peer.x[4:], nearest.numpy(), atol=2e-3)


@every_norm
def test_a_step_leads_as_steeply_uphill_as_the_norm_allows(norm):
    gradient = rng(2, norm).normal([6, 3, 2, 2])
    step = Ball(norm, 100.0).step(torch.zeros_like(gradient), gradient, 0.7)
    assert torch.allclose(norms(step, norm), torch.tensor(0.7))
    dual = {"linf": 1, "l2": 2, "l1": torch.inf}[norm]
    best = 0.7 * torch.linalg.vector_norm(gradient.flatten(1), dual, dim=1)
    assert torch.allclose((gradient * step).flatten(1).sum(1), best)


@every_norm
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_size_of_a_gradient_does_not_matter(norm, scale):
    gradient = rng(3).normal([4, 3, 2, 2])
    ball, zero = Ball(norm, 2.0), torch.zeros(4, 3, 2, 2)
    expected = ball.step(zero, gradient, 0.5)
    assert torch.allclose(ball.step(zero, scale * gradient, 0.5), expected, atol=1e-6)


@every_norm
def test_without_a_gradient_nothing_moves(norm):
    zero = torch.zeros(4, 3, 2, 2)
    assert torch.equal(Ball(norm, 2.0).step(zero, zero, 0.5), zero)
    assert torch.equal(normalised(zero), zero)


@pytest.mark.parametrize("radius", [0.0, 0.3, 1.7, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_vertex_solves_the_linear_program(seed, radius):
    draw = rng(seed, "vertex")
    images, gradient = draw.uniform([3, 7]).double(), draw.normal([3, 7]).double()
    gradient[0, :3] = 0
    found = vertex(gradient, -images, 1 - images, radius)
    assert (norms(found, "l1") <= radius + 1e-9).all()
    assert (found >= -images - 1e-9).all()
    assert (found <= 1 - images + 1e-9).all()
    for row in range(3):
        slopes, image = gradient[row].numpy(), images[row].numpy()
        peer = linprog(
            -np.concatenate([slopes, -slopes]),
            A_ub=np.ones((1, 14)),
            b_ub=[radius],
            bounds=[*[(0, 1 - v) for v in image], *[(0, v) for v in image]],
        )
        assert np.isclose(-peer.fun, (slopes * found[row].numpy()).sum())


def test_frank_and_wolfe_average_their_vertices():
    draw = rng(0)
    point, uphill = draw.normal([2, 3]), [draw.normal([2, 3]) for _ in range(4)]
    for iteration, one in enumerate(uphill):
        point = frank_wolfe(point, one, iteration)
    assert torch.allclose(point, torch.stack(uphill).mean(0), atol=1e-6)


@every_norm
def test_an_empty_batch_has_a_place_in_every_ball(norm):
    ball, none = Ball(norm, 1.0), torch.empty(0, 3, 4, 4)
    assert ball.start(rng(0), none.shape, none).shape == none.shape
    assert ball.step(none, none, 0.5).shape == none.shape
    assert vertex(none, none, none, 1.0).shape == none.shape
