"""What benchmarks/chaos.py changes in a training, and that it changes nothing else."""

import pytest
import torch
from torch import nn

from benchmarks.chaos import Trace, frozen_by_batch, mean_of, nudge
from pipeline_steps.core.rng import rng


def test_a_nudge_moves_one_weight_to_the_next_number():
    weights = rng(0).uniform([2, 3, 3])
    moved = weights.clone()
    nudge(moved, 4)
    different = (moved != weights).flatten().nonzero().flatten()
    assert different.tolist() == [4]
    entry = weights.flatten()[4]
    assert moved.flatten()[4] == torch.nextafter(entry, torch.tensor(torch.inf))


@pytest.mark.parametrize("nudged", [0, 1], ids=["unchanged", "nudged"])
def test_a_trace_notes_and_moves_the_first_optimiser_s_weights_alone(nudged):
    networks = [nn.Linear(2, 2, bias=False) for _ in range(2)]
    before = [network.weight.detach().clone() for network in networks]
    optimisers = [torch.optim.SGD(n.parameters(), lr=0.1) for n in networks]
    trace = Trace(nudged)
    for optimiser in optimisers * 2:
        trace(optimiser)
    assert trace.step == 2
    assert torch.equal(networks[1].weight, before[1])
    assert (networks[0].weight != before[0]).sum() == nudged
    assert torch.equal(trace.weights["1"], networks[0].weight.flatten())


def test_batch_norm_judges_by_the_batch_and_keeps_its_running_statistics():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    images = rng(0).uniform([4, 1, 3, 3])
    model(images)
    before = {name: tensor.clone() for name, tensor in model[1].state_dict().items()}
    model.eval()
    with frozen_by_batch(model), torch.no_grad():
        logits = model(images)
    assert torch.allclose(logits.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.equal(model[1].running_mean, before["running_mean"])
    assert torch.equal(model[1].running_var, before["running_var"])
    assert not model[1].training
    assert model[1].momentum == 0.1
    assert all(p.requires_grad for p in model.parameters())


def test_the_mean_of_networks_is_taken_tensor_by_tensor():
    states = [{"a": torch.tensor([1.0]), "n": torch.tensor(k)} for k in (1, 3)]
    assert mean_of(states)["n"] == 2.0
