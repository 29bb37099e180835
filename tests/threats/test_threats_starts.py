"""Random starts as released codes have them, on raw digits, most of whose pixels are 0."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.perturbations.pixel import Pixel
from pipeline_steps.threats.spec import ThreatSpec

COUNT, EPSILON = 50, 0.1


@pytest.fixture
def raw(defense):
    """The network and digits as they are, in numbers precise enough for every sign."""
    batch = defense.first(COUNT)
    model = copy.deepcopy(defense.model).double().eval()
    return model, Batch(batch.images.double(), batch.labels)


def spec(start_at: str, objective: str, steps: int) -> dict:
    step = EPSILON if steps == 1 else EPSILON / 4
    edit = {"perturbation": "pixel", "epsilon": EPSILON, "step_size": step}
    objective_ = {"objective": objective}
    return {
        "edit": edit | {"start_at": start_at},
        "objective": objective_,
        "steps": steps,
    }


def published(
    batch: Batch, noise: Tensor, gain: Callable[[Tensor], Tensor], steps: int
) -> Tensor:
    """The loop of all five codes: noise is added, and only the steps are clipped."""
    edited, step = batch.images + noise, EPSILON if steps == 1 else EPSILON / 4
    for _ in range(steps):
        leaf = edited.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(gain(leaf), leaf)
        edited = edited + step * gradient.sign()
        edited = edited.clamp(batch.images - EPSILON, batch.images + EPSILON)
        edited = edited.clamp(0, 1)
    return edited


def gains(model, batch):
    clean = model(batch.images).detach().softmax(1)
    return {
        "kl": lambda x: functional.kl_div(
            model(x).log_softmax(1), clean, reduction="sum"
        ),
        "cross_entropy": lambda x: functional.cross_entropy(model(x), batch.labels),
    }


@pytest.mark.parametrize(
    ("objective", "start_at", "steps"),
    [
        pytest.param("kl", "nearby-unclipped", 10, id="TRADES"),
        pytest.param("cross_entropy", "nearby-unclipped", 10, id="MART"),
        pytest.param("cross_entropy", "unclipped", 1, id="one full step"),
        pytest.param("cross_entropy", "unclipped", 7, id="several steps"),
    ],
)
def test_an_unclipped_start_is_the_published_loop(raw, objective, start_at, steps):
    model, batch = raw
    draw = image_rng(0, range(COUNT), "attack")
    if start_at == "unclipped":
        noise = EPSILON * (2 * draw.uniform(batch.images.shape) - 1).double()
    else:
        noise = 0.001 * draw.normal(batch.images.shape).double()
    expected = published(batch, noise, gains(model, batch)[objective], steps)

    def crafted(start: str) -> Tensor:
        threat = build_threat(ThreatSpec(**spec(start, objective, steps)), {})
        return threat(model, batch, image_rng(0, range(COUNT), "attack"))

    assert torch.allclose(crafted(start_at), expected, atol=1e-12)
    boxed = {"unclipped": "random", "nearby-unclipped": "nearby"}[start_at]
    assert not torch.allclose(crafted(boxed), expected, atol=1e-3)


def gradient_of_trades(model, batch, start_at):
    model = copy.deepcopy(model).requires_grad_()
    recipe = build_recipe({"recipe": "trades", "threat": spec(start_at, "kl", 10)}, {})
    recipe.loss(model, batch, image_rng(0, range(COUNT), "attack")).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def test_clipping_the_start_changes_what_trades_learns_on_raw_digits(raw):
    model, batch = raw
    released, clipped = (
        gradient_of_trades(model, batch, start)
        for start in ("nearby-unclipped", "nearby")
    )
    far = (released - clipped).norm() / released.norm()
    assert far > 0.05, far


@pytest.mark.parametrize("start_at", ["unclipped", "nearby-unclipped"])
def test_the_start_alone_lies_outside_and_no_step_does(start_at):
    images = torch.rand(4, 3, 8, 8, generator=torch.manual_seed(0)).round()
    batch = Batch(images, torch.zeros(4, dtype=torch.long))
    edit = Pixel(epsilon=0.1, step_size=0.03, start_at=start_at)
    parameters = edit.start(batch, rng(0))
    assert edit.apply(batch, parameters).min() < 0
    for iteration in range(3):
        gradient = [torch.randn(images.shape, generator=torch.manual_seed(iteration))]
        parameters = edit.step(batch, parameters, gradient, iteration)
        edited = edit.apply(batch, parameters)
        assert edited.min() >= 0 and edited.max() <= 1
        assert (edited - images).abs().max() <= 0.1 * (1 + 1e-6)


def test_a_start_outside_the_box_needs_steps_that_are_boxed():
    with pytest.raises(PipelineError, match="remove `boxed: false`"):
        Pixel(epsilon=0.1, step_size=0.1, start_at="unclipped", boxed=False)
