"""On a trained network, every family breaks more with a larger budget and more steps."""

import pytest
from torch import nn
from torch.nn.functional import avg_pool2d

from pipeline_steps.core.rng import image_rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

COUNT = 60
# Points of accuracy: what a random start may change.
ROOM = 2.0

# A family, its budgets, and the size of a step, of the budget or in a unit of its own.
SHARE = {
    "pixel l2": ({"perturbation": "pixel", "norm": "l2"}, (0.25, 1, 4), 0.25),
    "pixel l1": ({"perturbation": "pixel", "norm": "l1"}, (4, 16, 64), 0.25),
    "warp": ({"perturbation": "warp"}, (0.2, 0.8, 2), 0.25),
    "elastic": ({"perturbation": "elastic"}, (0.25, 1, 3), 0.25),
    "jpeg linf": ({"perturbation": "jpeg", "norm": "linf"}, (0.1, 0.4, 2), 0.25),
    "jpeg l2": ({"perturbation": "jpeg", "norm": "l2"}, (2, 8, 40), 0.25),
}
OWN = {
    "jpeg l1": ({"perturbation": "jpeg", "norm": "l1"}, (4, 64, 1024), 0.0),
    "pixel by Frank and Wolfe": (
        {"perturbation": "pixel", "norm": "l1", "frank_wolfe": True},
        (2, 8, 64),
        0.0,
    ),
    "fog": ({"perturbation": "fog"}, (0.25, 1, 3), 0.01),
    "snow": ({"perturbation": "snow"}, (0.0625, 1, 8), 0.02),
    "gabor": ({"perturbation": "gabor"}, (0.05, 0.2, 0.8), 0.02),
    "gabor of the rest": (
        {"perturbation": "gabor", "edited": "rest"},
        (0.05, 0.2, 0.8),
        0.02,
    ),
}
every_family = pytest.mark.parametrize("family", [*SHARE, *OWN])


class Enlarged(nn.Module):
    """The network of small grey images, for coloured ones of twice the size."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(avg_pool2d(images.mean(1, keepdim=True), 2))


@pytest.fixture(scope="module")
def left(defense):
    """The accuracy that an edit leaves after so many steps."""
    small = defense.first(COUNT)
    images = small.images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    batch = Batch(images.expand(-1, 3, -1, -1), small.labels)
    model = Enlarged(defense.model).eval()

    def accuracy(edit, steps):
        objective = {"objective": "cross_entropy"}
        threat = build_threat(
            ThreatSpec(edit=edit, objective=objective, steps=steps), {}
        )
        edited = threat(model, batch, image_rng(0, range(COUNT), "attack"))
        assert edited.min() >= 0
        assert edited.max() <= 1
        right = model(edited).argmax(1) == batch.labels
        return 100 * right.float().mean().item()

    return accuracy


def edit_of(family, budget):
    settings, _, step = (SHARE | OWN)[family]
    step_size = step * (budget if family in SHARE else 1)
    return {**settings, "epsilon": budget, "step_size": step_size}


@every_family
def test_a_larger_budget_breaks_more_images(left, family):
    budgets = (SHARE | OWN)[family][1]
    weak, middling, strong = (left(edit_of(family, b), 8) for b in budgets)
    assert weak + ROOM >= middling
    assert middling + ROOM >= strong
    assert weak > strong + ROOM


@every_family
def test_more_steps_break_more_images(left, family):
    edit = edit_of(family, (SHARE | OWN)[family][1][1])
    none, few, many = (left(edit, steps) for steps in (0, 2, 12))
    assert none + ROOM >= few
    assert few + ROOM >= many
    assert none > many


def test_a_joint_attack_is_stronger_than_its_parts(left):
    """JAT, table 1."""
    warp = {"perturbation": "warp", "epsilon": 0.8, "step_size": 0.3}
    pixel = {"perturbation": "pixel", "epsilon": 0.06, "step_size": 0.015}
    alone = min(left(warp, 8), left(pixel, 8))
    for parts in ([warp, pixel], [pixel, warp]):
        assert left({"perturbation": "in_turn", "parts": parts}, 8) < alone
