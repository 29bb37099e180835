"""A defense that optimises at inference, judged by attacks that see it and that don't."""

import pandas as pd
import pytest
import torch
from torch import nn

from pipeline_steps.core.files import read_json
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.core.shards import cut
from pipeline_steps.defenses.companion import Companion
from pipeline_steps.defenses.transformed import Transformed
from pipeline_steps.evaluation.probe import probe
from pipeline_steps.evaluation.red_flags import red_flags
from pipeline_steps.evaluation.verdicts import judge, sees_inference
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

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
    return pd.concat(part.table() for part in parts)


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
        name: told | {"attack_saw_inference": sees_inference(built(entry))}
        for name, entry in threats.items()
    }
    flags = red_flags({"pgd20": 60.0, "pgd20-adaptive": 40.0}, cards, threats)
    assert any("the attack does not see it" in flag for flag in flags["pgd20"])
    assert any("did not see what the defense optimises" in f for f in flags["pgd20"])
    assert flags["pgd20-adaptive"] == []


def test_the_steps_write_what_the_attack_saw(judge_step, threat_entry):
    """Nothing of it for a defense that optimises nothing."""
    _, places = judge_step(threat=adaptive(threat_entry()))
    metrics = read_json(places["card"])["metrics"]
    assert metrics["optimises_at_inference"] is False
    assert "attack_saw_inference" not in metrics


def test_the_second_ascent_goes_on_inside_the_first_one_s_ball(
    defense, toy_images, threat_entry
):
    """ATLD table V, 'Cla-step20 + D-step1'."""
    first = {"attack": "ascent", **threat_entry(5, start_at="zero")}
    then = threat_entry(1)["edit"] | {"step_size": 0.1}
    last = {"edit": then, "objective": {"objective": "discriminator"}, "steps": 1}
    onward = built({"attack": "onward", "first": first, **last})
    batch, model = Batch(*toy_images[torch.arange(24)]), defense.static
    whole = onward.attack(model, batch, rng(0))
    begun = built(first).attack(model, batch, rng(0)).images
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
