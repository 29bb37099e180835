"""A defense that optimises at inference, judged by attacks that see it and that don't."""

import pandas as pd
import pytest
import torch
from torch import nn

from pipeline_steps.core.files import read_json
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.core.shards import cut
from pipeline_steps.core.tables import stacked
from pipeline_steps.defenses.companion import Companion
from pipeline_steps.evaluation.probe import probe
from pipeline_steps.evaluation.red_flags import Symptom, red_flags
from pipeline_steps.evaluation.threat_relations import Reason
from pipeline_steps.evaluation.verdicts import judge, worst_case
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Transformed, Victim

IMT = {"inference": "manifold_transformation", "epsilon": 0.05, "step_size": 0.05}


@pytest.fixture
def defense(trained):
    """The toy defense with a discriminator that finds one class natural."""
    layer = nn.Linear(3, 4)
    with torch.no_grad():
        layer.weight[0] = torch.tensor([3.0, -1.0, -1.0])
    trained.companion = Companion(nn.Sequential(nn.Flatten(), layer))
    return Transformed(trained, make("inference", IMT)).eval()


def built(entry):
    return build_threat(ThreatSpec(**entry), {})


def adaptive(entry):
    return {"attack": "adaptive", "threat": {"attack": "ascent", **entry}}


def judged(model, data, entry, precision="float32"):
    parts = judge(model, data, built(entry), cut(48, 24), 0, precision)
    return pd.DataFrame(stacked([part.table() for part in parts]))


def test_a_threat_climbs_on_the_static_network_and_is_judged_on_the_whole(
    defense, toy_images, threat_entry
):
    """As in ATLD's code: the inference is applied to what the attack has made."""
    (part,) = judge(defense, toy_images, built(threat_entry()), cut(48, 48), 0)
    (bare,) = judge(defense.static, toy_images, built(threat_entry()), cut(48, 48), 0)
    assert torch.equal(part.edited, bare.edited)
    moved = defense.inference(defense.static, part.edited)
    assert torch.allclose(part.logits, defense.static(moved), atol=1e-5)
    assert not torch.equal(part.logits, bare.logits)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_adaptive_threat_sees_the_inference_in_every_pass(
    defense, toy_images, threat_entry, precision
):
    entry = threat_entry(10)
    seen = judged(defense, toy_images, adaptive(entry), precision)
    unseen = judged(defense, toy_images, entry, precision)
    assert seen["margin"].mean() < unseen["margin"].mean()
    assert seen["linf"].max() <= 0.1 + 1e-6


def test_images_that_broke_on_the_way_leave_an_adaptive_ascent(
    defense, toy_images, threat_entry
):
    entry = threat_entry(10)
    last = judged(defense, toy_images, adaptive(entry))
    soon = judged(defense, toy_images, adaptive({**entry, "stop": "any"}))
    assert soon["correct"].sum() <= last["correct"].sum()
    assert soon["used"].mean() < 10


def test_without_an_inference_an_adaptive_threat_is_the_threat(
    trained, toy_images, threat_entry
):
    entry = threat_entry()
    plain, told = (judged(trained, toy_images, e) for e in (entry, adaptive(entry)))
    pd.testing.assert_frame_equal(plain, told)


def test_only_a_threat_that_does_not_see_the_inference_is_flagged(
    defense, toy_images, threat_entry
):
    told = probe(defense, *toy_images[torch.arange(16)])
    assert told["optimises_at_inference"]
    plain = {"attack": "ascent", **threat_entry()}
    threats = {"pgd20": plain, "pgd20-adaptive": adaptive(plain)}
    cards = {
        name: told | {"attack_saw_inference": built(entry).sees_inference}
        for name, entry in threats.items()
    }
    flags = red_flags({"pgd20": 60.0, "pgd20-adaptive": 40.0}, cards, threats)
    kinds = {flag.kind for flag in flags["pgd20"]}
    assert kinds >= {Symptom.UNSEEN_INFERENCE, Reason.UNSEEN}
    assert flags["pgd20-adaptive"] == []


def test_the_steps_write_what_the_attack_saw(judge_step, threat_entry):
    """Nothing of it for a defense that optimises nothing."""
    _, places = judge_step(threat=adaptive(threat_entry()))
    metrics = read_json(places["card"])["metrics"]
    assert metrics["optimises_at_inference"] is False
    assert "attack_saw_inference" not in metrics


def ensemble(**parts):
    return {"attack": "ensemble", "parts": parts}


def gray(entry):
    return {"attack": "ascent", **entry}


def softened(entry):
    return {"attack": "softened", "threat": {"attack": "ascent", **entry}}


RAYS = {"attack": "rays", "epsilon": 0.2, "queries": 60}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_ensemble_is_the_worst_of_its_parts_image_by_image(
    defense, toy_images, threat_entry, precision
):
    """Its parts draw nothing here, so that each does alone what it does in turn."""
    parts = {
        "rays": {"attack": "adaptive", "threat": RAYS},
        "gray": gray(threat_entry(5, start_at="zero")),
        "soft": softened(threat_entry(5, start_at="zero")),
        "far": gray(threat_entry(10, start_at="zero", epsilon=0.25)),
    }
    together = judged(defense, toy_images, ensemble(**parts), precision)
    tables = [judged(defense, toy_images, p, precision) for p in parts.values()]
    assert together["correct"].tolist() == worst_case(tables).tolist()
    clean = judged(defense, toy_images, threat_entry(0, epsilon=0.0, step_size=0.0))
    for row, broken_by in enumerate(together["broken_by"]):
        right = [bool(table["correct"].iloc[row]) for table in tables]
        used = [int(table["used"].iloc[row]) for table in tables]
        if not clean["correct"].iloc[row]:
            assert (broken_by, together["used"].iloc[row]) == ("clean", 0)
            continue
        first = right.index(False) if False in right else len(parts)
        assert broken_by == [*parts, "none"][first]
        assert together["used"].iloc[row] == sum(used[: first + 1])
    assert set(together["broken_by"]) >= {"gray", "rays", "far", "none"}


def test_a_decision_attack_can_ask_the_static_network_or_the_defense(
    defense, toy_images
):
    """Whoever gets nothing but decisions has only the defense as it answers."""
    seen = judged(defense, toy_images, {"attack": "adaptive", "threat": RAYS})
    unseen = judged(defense, toy_images, RAYS)
    told = seen[seen["broken_by"] == "rays"]
    assert len(told) > 0
    assert not told["correct"].any(), "what it calls broken is"
    assert seen["correct"].sum() < unseen["correct"].sum()


def test_a_soft_gradient_is_that_of_the_soft_inference(defense, toy_images):
    """By hand: D's slope through tanh, and then the static network's."""
    images, labels = toy_images[torch.arange(8)]
    images, defense = images.double(), defense.double().eval()
    leaf = images.clone().requires_grad_()
    logits = defense.softened()(leaf)
    assert torch.allclose(logits, defense(images)), "as it answers"
    loss = nn.functional.cross_entropy(logits, labels)
    (told,) = torch.autograd.grad(loss, leaf)
    assert not torch.allclose(told, bpda(defense, images, labels))
    place = defense.inference(defense.static, images).requires_grad_()
    outer = nn.functional.cross_entropy(defense.static(place), labels)
    (slope,) = torch.autograd.grad(outer, place)
    pairs = zip(images.split(1), slope.split(1), strict=True)
    expected = torch.cat([pulled_back(defense, *pair) for pair in pairs])
    assert torch.allclose(told, expected)


def bpda(defense, images, labels):
    leaf = images.clone().requires_grad_()
    loss = nn.functional.cross_entropy(defense(leaf), labels)
    return torch.autograd.grad(loss, leaf)[0]


def pulled_back(defense, image, slope):
    """A slope behind the soft step, as one in front of it."""
    leaf = image.clone().requires_grad_()
    natural = defense.static.companion(defense.static(leaf))[:, 0]
    (gradient,) = torch.autograd.grad(
        -nn.functional.logsigmoid(natural).sum(), leaf, create_graph=True
    )
    step = torch.tanh(gradient / gradient.abs().mean().detach())
    soft = leaf - 0.05 * step
    inside = (soft.detach() > 0) & (soft.detach() < 1)
    (pulled,) = torch.autograd.grad((soft * slope * inside).sum(), leaf)
    return pulled


def test_without_an_inference_a_softened_threat_is_the_threat(
    trained, toy_images, threat_entry
):
    entry = threat_entry()
    plain, told = (judged(trained, toy_images, e) for e in (entry, softened(entry)))
    pd.testing.assert_frame_equal(plain, told)


def test_the_second_ascent_goes_on_inside_the_first_one_s_ball(
    defense, toy_images, threat_entry
):
    """ATLD table V, 'Cla-step20 + D-step1'."""
    first = {"attack": "ascent", **threat_entry(5, start_at="zero")}
    then = threat_entry(1)["edit"] | {"step_size": 0.1}
    last = {"edit": then, "objective": {"objective": "discriminator"}, "steps": 1}
    continued = built({"attack": "continued", "first": first, **last})
    batch, model = Batch(*toy_images[torch.arange(24)]), defense.static
    whole = continued.against(Victim.of(model), batch, rng(0))
    begun = built(first).against(Victim.of(model), batch, rng(0)).images
    assert not torch.equal(whole.images, begun)
    assert (whole.images - batch.images).abs().max() <= 0.1 + 1e-6
    assert whole.used.tolist() == [6] * 24
    leaf = begun.clone().requires_grad_()
    verdict = model.eval().companion(model(leaf))[:, 0]
    gain = -nn.functional.softplus(verdict).sum()
    (gradient,) = torch.autograd.grad(gain, leaf)
    expected = leaf + 0.1 * gradient.sign()
    expected = expected.clamp(batch.images - 0.1, batch.images + 0.1).clamp(0, 1)
    assert torch.allclose(whole.images, expected, atol=1e-5)
