"""What looks at a network's own layers: RLAT, and the attack that Fast-PAT trains with."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.threats.balls import length
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.layers import features_of, perceived
from pipeline_steps.threats.victim import Victim


class Chain(nn.Module):
    """Images, twice multiplied; each product is a layer of its own size."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1, bias=False)
        self.second = nn.Conv2d(2, 3, 1, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([1.0, -2.0]).reshape(2, 1, 1, 1))
            weight = torch.tensor([[1.0, 0.5], [0.0, -1.0], [2.0, 1.0]])
            self.second.weight.copy_(weight.reshape(3, 2, 1, 1))

    def layers(self):
        return [self.first, self.second]

    def forward(self, images):
        return self.second(self.first(images)).mean(dim=(2, 3))


def test_rlat_moves_every_layer_by_its_own_share_along_its_gradient():
    """docs/methods/baselines.md#rlat, by the chain rule: each layer's gradient is known."""
    images, labels = torch.tensor([0.2, 0.8]).reshape(2, 1, 1, 1), torch.tensor([0, 1])
    one, two = torch.tensor([1.0, -2.0]), torch.tensor([[1.0, 0.5], [0, -1], [2, 1]])
    logits = images.flatten(1) @ one[None] @ two.T
    gradients = [logits.softmax(1) - functional.one_hot(labels, 3)]
    gradients.insert(0, gradients[0] @ two)
    gradients.insert(0, gradients[0] @ one[:, None])
    x, h, told = (
        0.1 * size / (layer + 1) * g / g.norm(dim=1, keepdim=True)
        for layer, (size, g) in enumerate(zip((1, 2, 3), gradients, strict=True))
    )
    seen = (images.flatten(1) + x).clamp(0, 1)
    expected = (seen @ one[None] + h) @ two.T + told
    recipe = build_recipe({"recipe": "rlat", "epsilon": 0.1}, {})
    loss = recipe.loss(Chain(), Batch(images, labels), rng(0))
    assert torch.allclose(loss, functional.cross_entropy(expected, labels), atol=1e-6)


def test_rlat_without_a_budget_is_normal_training(toy_architecture, toy_images):
    batch = Batch(*toy_images[torch.arange(8)])
    losses = [
        build_recipe(entry, {}).loss(new_model(toy_architecture, 0), batch, rng(0))
        for entry in ({"recipe": "rlat", "epsilon": 0.0}, {"recipe": "normal"})
    ]
    assert torch.equal(*losses)


def test_what_is_perceived_has_length_one_in_every_layer():
    features = [rng(0).normal([5, 7, 4, 4]), rng(1).normal([5, 3, 2, 2])]
    seen = perceived(features)
    assert seen.shape == (5, 7 * 16 + 3 * 4)
    for part in seen.split([7 * 16, 3 * 4], dim=1):
        assert torch.allclose(part.norm(dim=1), torch.ones(5), atol=1e-5)
    scaled = [3 * features[0], features[1]]
    assert torch.allclose(perceived(scaled), seen, atol=1e-6)


@pytest.fixture
def trained(toy_architecture, toy_images):
    """A network that knows the toy's classes, and images that it knows."""
    model = new_model(toy_architecture, seed=0).train()
    batch = Batch(*toy_images[torch.arange(48)])
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        functional.cross_entropy(model(batch.images), batch.labels).backward()
        optimiser.step()
    return model.eval(), batch


def attack(**settings):
    run = make("attack", {"attack": "fast_lagrange", **settings})
    return lambda model, *rest: run(Victim.of(model), *rest)


def distances(model, batch, images):
    clean, edited = (
        perceived(features_of(model, i)[0]) for i in (batch.images, images)
    )
    return length(clean - edited)


def test_the_lagrangian_attack_fools_within_about_its_bound(trained):
    model, batch = trained
    assert (model(batch.images).argmax(1) == batch.labels).all()
    loose, tight = (attack(bound=bound)(model, batch, rng(0)) for bound in (1.5, 0.05))
    for told in (loose, tight):
        assert told.images.min() >= 0
        assert told.images.max() <= 1
        assert (told.used == 10).all()
    fooled = (model(loose.images).argmax(1) != batch.labels).float().mean()
    assert fooled > 0.5
    # No last projection, so some lie a little beyond.
    assert distances(model, batch, tight.images).median() < 2 * 0.05
    assert (
        distances(model, batch, tight.images) < distances(model, batch, loose.images)
    ).float().mean() > 0.9


def test_the_lagrangian_attack_leaves_what_is_wrong_already(trained):
    model, batch = trained
    mistaken = Batch(batch.images, (batch.labels + 1) % 3)
    told = attack(bound=0.5)(model, mistaken, rng(0))
    assert torch.equal(told.images, batch.images)
    assert not told.used.any()


def test_the_lagrangian_attack_of_an_image_does_not_depend_on_its_neighbours(trained):
    model, batch = trained
    some = attack(bound=0.3)
    whole = some(model, batch, image_rng(0, range(48), "attack")).images[40:]
    part = batch.take(torch.arange(40, 48))
    alone = some(model, part, image_rng(0, range(40, 48), "attack")).images
    assert torch.allclose(whole, alone, atol=1e-4)


def test_the_lagrangian_attack_takes_its_first_step_as_published():
    """One step of ε from a start of N(0, 0.01), looked ahead by 0.1."""
    model = Chain().requires_grad_(False)
    images = torch.full((1, 1, 2, 2), 0.5)
    batch = Batch(images, model(images).argmax(1))
    start = images + 0.01 * rng(7).normal(images.shape)
    leaf = start.clone().requires_grad_()
    logits = model(leaf)
    own = logits[0, batch.labels[0]]
    best = max(v for k, v in enumerate(logits[0]) if k != batch.labels[0])
    seen = perceived(features_of(model, leaf)[0])
    clean = perceived(features_of(model, images)[0])
    gain = best - own - 1.0 * ((seen - clean).norm() - 0.2).relu()  # 10·0.1¹ = 1
    (gradient,) = torch.autograd.grad(gain, leaf)
    unit = gradient / gradient.norm()
    ahead = perceived(features_of(model, start + 0.1 * unit)[0])
    size = 0.2 / ((ahead - seen).norm() / 0.1 + 1e-8)
    expected = (start + size * unit).clamp(0, 1).detach()
    told = attack(bound=0.2, steps=1)(model, batch, rng(7)).images
    assert torch.allclose(told, expected, atol=1e-6)
