"""Attacks beside their authors' own code, image by image."""

from types import ModuleType
from typing import Any

import pytest
import torch
from released_house import Net, digits, draw
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Victim

pytestmark = pytest.mark.filterwarnings("ignore")

EPSILON = 0.1


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """A network that knows the digits, in single precision."""
    net, batch = Net(double=False), digits(double=False)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(60):
        optimiser.zero_grad()
        functional.cross_entropy(net(batch.images), batch.labels).backward()
        optimiser.step()
    return net.eval()


def attacked(spec: dict[str, Any], model: nn.Module, batch: Batch) -> Attacked:
    told: Attacked = build_threat(ThreatSpec(**spec), {}).against(
        Victim.of(model), batch, draw()
    )
    return told


def right(model: nn.Module, images: Tensor, batch: Batch) -> Tensor:
    return model(images).argmax(1) == batch.labels


class Labels:
    """A network that is asked for classes alone."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def predict_label(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self.net(images).argmax(1)


def test_rays_query_for_query(released, trained) -> None:
    silent = ModuleType("pgbar")
    silent.progress_bar = lambda *_, **__: None  # type: ignore[attr-defined]
    module, batch = released("uclaml/RayS", "RayS", pgbar=silent), digits(double=False)
    known = right(trained, batch.images, batch)
    batch = batch.take(known)
    attack = module.RayS(Labels(trained), epsilon=EPSILON)
    _, queries, _, broken = attack(batch.images, batch.labels, query_limit=300)
    spec = {"attack": "rays", "epsilon": EPSILON, "queries": 300}
    ours = build_threat(ThreatSpec(**spec), {}).attack
    told = ours(trained, batch, draw().take(known))
    assert torch.equal(right(trained, told.images, batch), ~broken)
    assert (told.used[broken] == queries[broken]).float().mean() > 0.9


def test_autoattack_s_verdicts(released, trained) -> None:
    module, batch = released("fra31/auto-attack", "autoattack"), digits(double=False)
    attack = module.AutoAttack(
        *(trained, "Linf", EPSILON), seed=0, verbose=False, device="cpu"
    )
    for part in (attack.apgd, attack.apgd_targeted, attack.fab):
        part.n_iter = 20
    attack.square.n_queries = 200
    theirs = attack.run_standard_evaluation(batch.images, batch.labels)
    spec = {"attack": "autoattack", "epsilon": EPSILON, "steps": 20, "queries": 200}
    ours = attacked(spec, trained, batch).images
    verdicts = [right(trained, images, batch) for images in (ours, theirs)]
    assert (verdicts[0] == verdicts[1]).float().mean() >= 0.95
    assert 0 < verdicts[0].float().mean() < 1


@pytest.mark.parametrize(("norm", "size"), [("linf", 8 / 255), ("l2", 0.5)])
def test_rlat_s_baselines(released, trained, norm: str, size: float) -> None:
    """One step of AT in L∞ and in L2, as its tables have it."""
    module = released("tml-epfl/adv-training-corruptions", "utils")
    # At a pixel of exactly 0 or 1 its clipping halves the gradient, whose length L2 takes.
    batch = digits(double=False)
    batch = Batch(0.1 + 0.8 * batch.images, batch.labels)
    addition = module.attack_pgd_training(
        trained, batch.images, batch.labels, size, size, 1, dist=norm
    )
    edit = {"perturbation": "pixel", "norm": norm, "epsilon": size, "step_size": size}
    spec = {"edit": edit | {"start_at": "zero"}, "steps": 1}
    spec["objective"] = {"objective": "cross_entropy"}
    ours = attacked(spec, trained, batch).images
    assert torch.allclose(ours, batch.images + addition, atol=1e-5)
