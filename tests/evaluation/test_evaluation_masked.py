"""A defense that only seems robust raises its flag; one that is robust raises none."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.core.shards import cut
from pipeline_steps.core.tables import stacked
from pipeline_steps.evaluation.probe import probe
from pipeline_steps.evaluation.red_flags import Flag, Symptom, red_flags, worst_card
from pipeline_steps.evaluation.threat_relations import Reason
from pipeline_steps.evaluation.verdicts import judge, worst_case
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec


class Wrapped(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model


class Saturating(Wrapped):
    """Logits so far apart that nothing is left of their gradients."""

    def forward(self, images):
        return 300 * torch.tanh(1e4 * self.model(images))


class Randomised(Wrapped):
    """Sees its images through noise of its own."""

    draw = rng(0, "noise")

    def forward(self, images):
        return self.model(images + 0.3 * self.draw.normal(images.shape))


class Optimising(Wrapped):
    """Moves each image to where the model is surer, before it answers."""

    def forward(self, images):
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            sureness = self.model(leaf).logsumexp(dim=1).sum()
            (gradient,) = torch.autograd.grad(sureness, leaf)
        return self.model((images + 0.05 * gradient.sign()).clamp(0, 1))


class Probable(Wrapped):
    """Answers with probabilities."""

    def forward(self, images):
        return self.model(images).softmax(dim=1)


def flags_of(model, toy_images, threats):
    """What a table would say of this defense under these threats."""
    images, labels = toy_images[torch.arange(48)]
    probed = probe(model, images, labels)
    accuracies, cards = {}, {}
    for name, spec in threats.items():
        threat = build_threat(ThreatSpec(**spec), {})
        verdicts = judge(model, toy_images, threat, cut(48, 24), seed=0)
        table = stacked([part.table() for part in verdicts])
        accuracies[name] = 100 * float(table["correct"].mean())
        cards[name] = probed | broken_by(table)
    return red_flags(accuracies, cards, threats)


def broken_by(table):
    if "broken_by" not in table:
        return {}
    parts, counts = np.unique(table["broken_by"], return_counts=True)
    return {"broken_by": dict(zip(parts, counts.tolist(), strict=True))}


@pytest.fixture
def threats(threat_entry):
    return {
        "clean": threat_entry(0, epsilon=0.0, step_size=0.0),
        "fgsm": threat_entry(1, step_size=0.1, start_at="zero"),
        "pgd20": threat_entry(20, step_size=0.025),
        "rays10k": {"attack": "rays", "epsilon": 0.1, "queries": 200},
    }


@pytest.fixture
def robust(trained, toy_images):
    """The toy defense after some more steps on attacked images."""
    draw = rng(0, "more training")
    optimiser = torch.optim.SGD(trained.parameters(), lr=0.05)
    for _ in range(30):
        images, labels = toy_images[draw.permutation(48)[:24]]
        leaf = images.requires_grad_()
        loss = functional.cross_entropy(trained(leaf), labels)
        (gradient,) = torch.autograd.grad(loss, leaf)
        edited = (leaf + 0.1 * gradient.sign()).clamp(0, 1).detach()
        optimiser.zero_grad()
        functional.cross_entropy(trained(edited), labels).backward()
        optimiser.step()
    return trained.eval()


def test_a_plainly_trained_defense_raises_no_flag(robust, toy_images, threats):
    flags = flags_of(robust, toy_images, threats)
    assert not any(flags.values()), flags


@pytest.mark.parametrize(
    ("masked", "symptom"),
    [
        pytest.param(Saturating, Symptom.NO_GRADIENT, id="saturating"),
        pytest.param(Randomised, Symptom.UNSTABLE, id="randomised"),
        pytest.param(Optimising, Symptom.UNSEEN_INFERENCE, id="optimising"),
        pytest.param(Probable, Symptom.PROBABILITIES, id="probable"),
    ],
)
def test_a_masked_defense_raises_its_flag(robust, toy_images, threats, masked, symptom):
    flags = flags_of(masked(robust), toy_images, threats)
    assert symptom in {flag.kind for flag in flags["pgd20"]}


def test_a_saturating_defense_is_broken_blindly(robust, toy_images, threats):
    """RayS sees no gradient, and so none that is hidden from it."""
    few = {name: threats[name] | {} for name in ("pgd20", "rays10k")}
    few["pgd20"]["edit"] = {**few["pgd20"]["edit"], "epsilon": 0.2}
    few["rays10k"] |= {"epsilon": 0.2, "queries": 400}
    flags = flags_of(Saturating(robust), toy_images, few)
    assert Reason.BLIND in {flag.kind for flag in flags["pgd20"]}


def test_square_s_share_of_autoattack_is_told():
    counts = {"clean": 10, "apgd-ce": 30, "square": 5, "none": 55}
    assert worst_card([{"broken_by": counts}, {}])["broken_blindly"] == 5
    flags = red_flags({"autoattack": 55.0}, {"autoattack": {"broken_by": counts}})
    blindly = Flag(kind=Symptom.BROKEN_BLINDLY, threats=("autoattack",), amount=5)
    assert flags["autoattack"] == [blindly]


def test_square_alone_follows_no_attack_with_gradients():
    card = {"broken_by": {"clean": 10, "square": 35, "none": 55}}
    spec = {"attack": "square", "epsilon": 0.1, "queries": 5000}
    assert red_flags({"square": 55.0}, {"square": card}, {"square": spec}) == {
        "square": []
    }


def test_flags_of_several_seeds_are_those_of_the_worst():
    sound = {"same_when_asked_twice": True, "without_gradient": 0.0}
    masked = {"same_when_asked_twice": False, "without_gradient": 0.5}
    worst = worst_card([sound, masked, {}])
    assert worst["same_when_asked_twice"] is False
    assert worst["without_gradient"] == 0.5
    assert worst_card([])["same_when_asked_twice"] is True


def test_a_probe_leaves_the_defense_as_it_was(robust, toy_images):
    robust.train()
    before = {name: tensor.clone() for name, tensor in robust.state_dict().items()}
    probe(robust, *toy_images[torch.arange(8)])
    assert robust.training
    assert all(torch.equal(before[n], t) for n, t in robust.state_dict().items())


def verdicts(*correct, images=(0, 1, 2, 3)):
    return {"image": np.array(images), "correct": np.array(correct)}


def test_the_worst_case_is_told_image_by_image():
    one, two = verdicts(True, True, False, False), verdicts(True, False, True, False)
    assert worst_case([one, two]).tolist() == [True, False, False, False]
    assert worst_case([one]).tolist() == one["correct"].tolist()


def test_a_worst_case_over_other_images_is_refused():
    other = verdicts(True, True, True, True, images=(0, 1, 2, 4))
    with pytest.raises(PipelineError, match="verdicts on the same images"):
        worst_case([verdicts(True, True, True, True), other])
    with pytest.raises(PipelineError, match="one threat or more"):
        worst_case([])
