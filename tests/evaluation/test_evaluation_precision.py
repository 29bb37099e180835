"""What a precision changes: attacks compute in it, and verdicts stay in float32."""

import shutil

import pytest
import torch
from torch import nn

from pipeline_steps.core.device import prepare_device, tf32
from pipeline_steps.core.shards import cut
from pipeline_steps.defenses.spec import DefenseSpec
from pipeline_steps.evaluation.verdicts import Judge, judge
from pipeline_steps.generators.glow import full_precision
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Victim

ROUNDED = torch.backends.cuda.matmul
compiler = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")


def built(entry):
    return build_threat(ThreatSpec(**entry), {})


class Watched(nn.Module):
    """A network that notes whether TF32 was allowed, and whether a graph was made."""

    def __init__(self, network):
        super().__init__()
        self.network, self.seen = network, set()

    def forward(self, images):
        self.seen.add((ROUNDED.allow_tf32, images.requires_grad))
        return self.network(images)


@pytest.mark.parametrize(("precision", "rounded"), [("float32", False), ("tf32", True)])
def test_attacks_may_round_and_verdicts_never(
    precision, rounded, trained, toy_images, threat_entry
):
    network = Watched(trained)
    threat = built({**threat_entry(), "stop": "any"})
    judge_batch = Judge(network, toy_images, threat, 0, precision)
    attacked = Watched(trained)  # in place of a copy, which a test can't look into
    judge_batch.victim = Victim(attacked, network)
    network.seen.clear()
    judge_batch(range(24))
    assert {allowed for allowed, _ in attacked.seen} == {rounded}
    assert network.seen == {(False, False)}
    assert not ROUNDED.allow_tf32


def test_a_flow_rounds_nowhere():
    with tf32(True), full_precision(torch.device("cpu")):
        assert not ROUNDED.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    assert not ROUNDED.allow_tf32


def test_kernels_are_chosen_by_trying_only_on_request():
    prepare_device(deterministic=False)
    assert torch.backends.cudnn.benchmark
    prepare_device()
    assert not torch.backends.cudnn.benchmark
    assert torch.are_deterministic_algorithms_enabled()


@compiler
def test_a_compiled_network_is_attacked_alike(trained, toy_images, threat_entry):
    threat, batches = built(threat_entry()), cut(48, 24)
    plain = list(judge(trained, toy_images, threat, batches, 0))
    judge_batch = Judge(trained, toy_images, threat, 0, compiled=True)
    assert judge_batch.victim.fast._compiled_call_impl
    for rows, part in zip(batches, plain, strict=True):
        compiled = judge_batch(rows)
        torch.testing.assert_close(compiled.edited, part.edited, rtol=0, atol=1e-4)
        assert torch.equal(compiled.logits.argmax(1), part.logits.argmax(1))


@pytest.mark.parametrize(
    ("more", "graphs"),
    [({}, True), ({"stop": "any"}, False), ({"restarts": 2}, False)],
)
def test_cuda_graphs_are_for_attacks_that_keep_whole_batches(
    more, graphs, trained, toy_images, threat_entry, monkeypatch
):
    asked = []
    name = "pipeline_steps.evaluation.fast_model.compile_passes"
    monkeypatch.setattr(name, lambda *asks: asked.append(asks[2]))
    threat = built({**threat_entry(), **more})
    Judge(trained, toy_images, threat, 0, compiled="graphs")
    assert asked == [graphs]


def test_a_spec_has_no_key_that_it_does_not_use():
    assert {"deterministic"} <= set(DefenseSpec.model_fields)
    fields = DefenseSpec.model_fields["deterministic"]
    assert fields.exclude_if(True)
    assert not fields.exclude_if(False)
