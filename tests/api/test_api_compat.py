"""Calls as users of other libraries write them do what those libraries do."""

import pytest
import torch
from foolbox import PyTorchModel
from foolbox.attacks import LinfPGD
from torch import nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from robust_papers import evaluate
from robust_papers.compat import FGSM, PGD, AutoAttack, benchmark

LABELS = torch.arange(12) % 5


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 36, 5)
        ).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return rng(0, "images").uniform([12, 3, 8, 8])


def test_pgd_without_a_random_start_is_foolbox_s(network, images) -> None:
    ours = PGD(network, eps=0.05, alpha=0.02, steps=7, random_start=False)
    theirs = LinfPGD(abs_stepsize=0.02, steps=7, random_start=False)
    expected, _, _ = theirs(
        PyTorchModel(network, (0, 1)), images, LABELS, epsilons=0.05
    )
    assert torch.allclose(ours(images, LABELS), expected, atol=1e-6)


def test_pgd_starts_at_random_by_default(network, images) -> None:
    start = PGD(network, eps=0.05, alpha=0.0, steps=1)(images, LABELS)
    assert 0.02 < (start - images).abs().mean() < 0.03


def test_fgsm_is_one_full_step(network, images) -> None:
    one = PGD(network, eps=0.05, alpha=0.05, steps=1, random_start=False)
    assert torch.equal(FGSM(network, eps=0.05)(images, LABELS), one(images, LABELS))


def test_autoattack_in_batches_leaves_what_benchmark_counts(
    network, images, monkeypatch
) -> None:
    labels = network(images).argmax(1)
    attack = AutoAttack(network, norm="Linf", eps=0.02)
    attacked = attack.run_standard_evaluation(images, labels, bs=5)
    left = (network(attacked).argmax(1) == labels).float().mean()
    monkeypatch.setattr(
        "robust_papers.evaluation.load_images", lambda name: (images, labels)
    )
    clean, robust = benchmark(network, 12, "cifar10", eps=0.02)
    assert clean == 1
    assert 0 < robust < 1
    assert robust == pytest.approx(left.item())
    again = evaluate(network, attack.threat, (images, labels), progress=False)
    assert again.accuracy() == pytest.approx(100 * robust)


@pytest.mark.parametrize("option", [{"norm": "L2"}, {"version": "plus"}])
def test_what_is_not_offered_is_refused(network, option) -> None:
    with pytest.raises(PipelineError, match="is not offered here"):
        AutoAttack(network, **option)
