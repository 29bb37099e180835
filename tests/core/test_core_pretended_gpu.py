"""The pretended GPU refuses and counts what a GPU would, and else computes as the CPU."""

import pytest
import torch
from torch import nn

from pipeline_steps.core.device import prepare_device, sent
from pipeline_steps.core.rng import image_rng, rng
from tests.pretended_gpu import NAME, OnGpu, pretended


@pytest.fixture
def gpu():
    with pretended() as gpu:
        yield gpu


@pytest.fixture
def device(gpu):
    return torch.device(NAME)


BOTH = {
    "sum": lambda there, here: there + here,
    "product of matrices": lambda there, here: there @ here,
    "in place": lambda there, here: there.mul_(here),
    "on the CPU in place": lambda there, here: here.mul_(there),
    "into a number of the CPU": lambda there, here: here[0, 0].add_(there[0, 0]),
    "joined": lambda there, here: torch.cat([there, here]),
    "chosen": lambda there, here: torch.where(there > 0, there, here),
    "indexed on the CPU": lambda there, here: here[there.long()],
    "put by an index": lambda there, here: there.index_put_((here[0].long(),), here),
    "gathered": lambda there, here: there.gather(0, here.long()),
    "layer": lambda there, here: nn.Linear(3, 2)(there),
    "loss": lambda there, here: nn.functional.mse_loss(there, here),
}


@pytest.mark.parametrize("both", BOTH.values(), ids=BOTH)
def test_tensors_of_both_devices_are_refused(gpu, device, both):
    there, here = torch.ones(3, 3, device=device), torch.ones(3, 3)
    with pytest.raises(RuntimeError, match="expected all tensors to be on the same"):
        both(there, here)


def test_no_array_is_made_of_a_tensor_of_the_gpu(device):
    with pytest.raises(RuntimeError, match="numpy"):
        torch.ones(3, device=device).numpy()


# With how many times the processor waits.
ALLOWED = {
    "single number": (lambda there: there + torch.tensor(2.0), 0),
    "arithmetic": (lambda there: (there.exp() @ there).argmax(1), 0),
    "filled by a mask": (lambda there: there.masked_fill(there > 0, 0), 0),
    "one number for a mask": (lambda there: there.clone().__setitem__(there > 0, 1), 0),
    "likeness": (lambda there: torch.zeros_like(torch.ones(3), device=there.device), 0),
    "numbers of the GPU": (lambda there: there[there[0].long()], 0),
    "numbers of the CPU": (lambda there: there[torch.tensor([1, 0])], 1),
    "mask": (lambda there: there[there > 0], 1),
    "places": (lambda there: there.nonzero(), 1),
    "item": (lambda there: there.sum().item(), 1),
    "truth": (lambda there: bool((there > 0).all()), 1),
    "list": (lambda there: there.tolist(), 1),
    "equal": (lambda there: torch.equal(there, there), 1),
    "to the CPU": (lambda there: there.cpu(), 1),
    "to the GPU": (lambda there: torch.ones(3).to(there.device), 1),
    "made of a list": (lambda there: torch.tensor([1.0], device=there.device), 1),
    "made of a list alike": (lambda there: there.new_tensor([1.0, 2.0]), 1),
    "sent": (lambda there: sent(torch.ones(3), there.device), 0),
}


@pytest.mark.parametrize(("work", "waits"), ALLOWED.values(), ids=ALLOWED)
def test_what_waits_for_the_gpu_is_counted(gpu, device, work, waits):
    there = torch.arange(4.0, device=device).reshape(2, 2)
    work(there)
    assert gpu.waits.total() == waits


def test_a_wait_tells_the_line_that_waits(gpu, device):
    image_rng(0, range(2), "test", device=device).take(torch.arange(2, device=device))
    (where,) = gpu.waits
    assert where.startswith("pipeline_steps/core/rng.py:")


def test_it_computes_what_the_cpu_does(device):
    def learned(device):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()]
        model = nn.Sequential(*layers, nn.Linear(144, 3)).to(device)
        optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for step in range(3):
            images = rng(0, "images", step, device=device).normal([5, 3, 8, 8])
            images[images > 1] = 0
            with torch.autocast(images.device.type, torch.bfloat16, step == 2):
                loss = model(images).float().square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return model.state_dict()

    here, there = learned(torch.device("cpu")), learned(device)
    for name, tensor in here.items():
        assert isinstance(there[name], OnGpu)
        assert torch.equal(there[name].cpu(), tensor)


@pytest.mark.parametrize("named", ["cpu", "meta"])
def test_a_device_is_chosen_by_its_name(monkeypatch, named):
    monkeypatch.setenv("PIPELINE_DEVICE", named)
    assert prepare_device() == torch.device(named)


def test_steps_compute_on_the_pretended_gpu_alone_while_there_is_one():
    with pretended():
        assert prepare_device().type == NAME
    assert prepare_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
