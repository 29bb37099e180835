"""The steps that judge a defense leave the CPU's bytes when they run on a GPU.

The GPU is pretended (tests/pretended_gpu.py).
"""

import pytest
import torch
from safetensors.torch import load

from tests.pretended_gpu import pretended

AUTOATTACK = {"attack": "autoattack", "steps": 5, "queries": 20, "targets": 2}
RAYS = {"attack": "rays", "queries": 60, "tolerance": 1e-2}


@pytest.fixture
def toy_dataset(toy_dataset):
    """AutoAttack wants four classes at least, of which the toy images show three."""
    return {**toy_dataset, "classes": 10}


@pytest.fixture
def toy_architecture(toy_architecture):
    return {**toy_architecture, "classes": 10}


@pytest.fixture
def bytes_of(judge_step):
    """What a step leaves on a device; its record tells of the machine."""

    def bytes_of(*words, **more) -> dict[str, bytes]:
        status, places = judge_step(*words, **more)
        assert status == 0
        return {r: path.read_bytes() for r, path in places.items() if r != "record"}

    return bytes_of


@pytest.fixture
def on_both(bytes_of):
    """Holds a step to the same files on both devices; gives what waited."""

    def on_both(step="attack_defense", **more):
        here = bytes_of(step, "here", **more)
        with pretended() as gpu:
            assert bytes_of(step, "there", **more) == here
        return gpu.waits

    return on_both


def features(architecture):
    return {"features": {"defense": "normal", "network": architecture}}


THREATS = {
    "steps": {"steps": 3},
    "steps until it errs": {"steps": 4, "stop": "any", "restarts": 2},
    "momentum and averages": {"steps": 2, "momentum": 0.9, "samples": 2},
    "autoattack": AUTOATTACK,
    "rays": RAYS,
}


@pytest.mark.parametrize("threat", THREATS.values(), ids=THREATS)
def test_verdicts_are_the_same(threat, on_both, threat_entry):
    entry = {**threat_entry(), **threat}
    if "attack" in threat:
        entry = {**threat, "epsilon": 0.05}
    on_both(threat=entry)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_shards_and_sizes_are_the_same(precision, on_both, toy_architecture):
    on_both(shards=3, precision=precision, **features(toy_architecture))


def test_a_curve_over_training_is_the_same(on_both):
    on_both("attack_snapshots", kept=0)


def test_maps_are_the_same_but_for_the_last_bit(judge_step, bytes_of):
    """Sums over a map add in another order where its numbers lie otherwise in memory."""
    _, judged = judge_step()
    examples = {"examples": judged["examples"], "examples_card": judged["card"]}
    here = load(bytes_of("explain_defense", "here", more=examples)["maps"])
    with pretended():
        there = load(bytes_of("explain_defense", "there", more=examples)["maps"])
    torch.testing.assert_close(there.pop("map"), here.pop("map"), rtol=0, atol=3e-7)
    torch.testing.assert_close(there, here, rtol=0, atol=0)


@pytest.mark.parametrize("step", ["attack_defense", "attack_snapshots"])
def test_resumed_after_each_batch_it_is_the_same(step, judge_step, bytes_of, capsys):
    more = {} if step == "attack_defense" else {"kept": 0}
    here = bytes_of(step, "here", **more)
    with pretended(), pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIPELINE_DEADLINE", "0")
        for _ in range(3 if step == "attack_defense" else 7):
            assert judge_step(step, "there", **more)[0] != 0
        assert bytes_of(step, "there", **more) == here
    assert "resumed after step 3" in capsys.readouterr().err


def test_more_steps_of_an_attack_wait_no_more(on_both, threat_entry):
    few, many = (on_both(threat=threat_entry(steps=steps)) for steps in (2, 12))
    assert few == many


def test_an_attack_itself_never_waits(on_both, threat_entry):
    """What waits is the judge, for what it writes down of a batch."""
    waits = on_both(threat=threat_entry(steps=3))
    assert not [line for line in waits if "/threats/" in line or "/rng.py" in line]
