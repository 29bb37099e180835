"""The form that attacks climb on answers as the plain network, or is the plain one."""

import pytest
import torch
from torch import nn

from pipeline_steps.core.rng import rng
from pipeline_steps.defenses.load import new_model
from pipeline_steps.evaluation.fast_model import FastModel, folded, victim_of
from pipeline_steps.threats.frozen import frozen


def images(count=8, size=16):
    return rng(0, "images").uniform([count, 3, size, size])


def network(word):
    """With batch norms that have seen other images, so folding them changes weights."""
    entry = {"architecture": word, "classes": 10, "channels": 3, "width": 8}
    model = new_model(entry, seed=0)
    model(3 * rng(1, "others").uniform([16, 3, 16, 16]) - 1)
    return model


def norms(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("word", ["resnet18", "small_cnn"])
def test_batch_norms_are_folded_and_the_answers_stay(word):
    model = network(word).eval()
    fast = FastModel(model, images(), "float32")
    assert norms(model) > 0
    assert norms(fast.body) == 0
    assert torch.allclose(fast(images(5)), model(images(5)), atol=1e-4)
    assert all(not parameter.requires_grad for parameter in fast.body.parameters())


@pytest.mark.parametrize("word", ["resnet18", "small_cnn"])
def test_the_gradient_is_the_plain_network_s(word):
    model = network(word).eval()
    gradients = []
    for form in (model, FastModel(model, images(), "float32")):
        leaf = images(4).requires_grad_()
        with frozen(form):
            gradients.append(torch.autograd.grad(form(leaf).square().sum(), leaf)[0])
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-4 * gradients[0].abs().max())


def test_the_plain_network_stays_as_it_was():
    model = network("resnet18").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    victim = victim_of(model, images(), "float32")
    with victim.frozen():
        victim(images(2))
        assert not model.training
    assert model.training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert victim.exact is model


def test_half_the_bits_answer_nearly_the_same_in_float32():
    model = network("small_cnn").eval()
    fast = FastModel(model, images(), "bfloat16")
    logits = fast(images(5))
    assert logits.dtype == torch.float32
    assert next(fast.body.parameters()).dtype == torch.bfloat16
    assert torch.allclose(logits, model(images(5)), atol=0.05 * logits.abs().max())


class Branching(nn.Module):
    """Can't be traced: what it does depends on what it sees."""

    def __init__(self):
        super().__init__()
        self.model = network("small_cnn").eval()

    def forward(self, images):
        return self.model(images) if images.mean() > 0.1 else -self.model(images)


class Restless(nn.Module):
    """Traces well, and never answers the same."""

    def __init__(self):
        super().__init__()
        self.model, self.times = network("small_cnn").eval(), 0

    def forward(self, images):
        self.times += 1
        return self.model(images) + self.times


class Twice(nn.Module):
    """One convolution at two places: folding it at one would change the other."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images):
        return self.shared(self.norm(self.shared(images))).mean(dim=(2, 3))


@pytest.mark.parametrize("kind", [Branching, Restless, Twice])
def test_what_can_t_be_folded_is_left_as_it_is(kind):
    model = kind()
    if isinstance(model, Twice):
        model(5 * images())
    plain = folded(model, images())
    assert type(plain) is kind
    if not isinstance(model, Restless):
        assert torch.equal(plain(images()), model.eval()(images()))
