"""ATLD's losses are those of docs/methods/atld.md, computed by hand on linear networks.

"Step" is a step of its section #one-iteration.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.defenses.companion import Companion, own_parameters
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.defenses.recipes.atld import Atld, manifold_loss
from pipeline_steps.defenses.smoothing import smoothed
from pipeline_steps.defenses.spec import Schedule
from pipeline_steps.defenses.train_defense import train_defense
from pipeline_steps.defenses.tutor import tutor_of
from pipeline_steps.threats.batch import Batch

SCHEDULE = Schedule(epochs=1, batch=4, learning_rate=0.1, momentum=0.0)


class Linear(nn.Module):
    """Logits of four pixels; a batch norm, so that train and eval mode differ."""

    def __init__(self, inside, outside):
        super().__init__()
        self.norm = nn.BatchNorm1d(inside)
        self.layer = nn.Linear(inside, outside)
        with torch.no_grad():
            for name, parameter in self.layer.named_parameters():
                parameter.copy_(rng(outside, name).normal(parameter.shape))

    def forward(self, images):
        return self.layer(self.norm(images.flatten(1)))


def linear():
    model = Linear(4, 3)
    model.companion = Companion(Linear(3, 4))
    return model.train()


@pytest.fixture
def model():
    return linear()


@pytest.fixture
def four():
    return Batch(rng(1).uniform([4, 1, 2, 2]), torch.tensor([0, 1, 2, 1]))


def recipe(epsilon=0.1, companion_mode="running", **more):
    pixel = {"perturbation": "pixel", "epsilon": epsilon, "step_size": epsilon}
    threat = {"edit": pixel, "objective": {"objective": "discriminator"}, "steps": 1}
    entry = {"recipe": "atld", "threat": threat, "classes": 3, "smoothing": 0.5}
    return build_recipe(entry | {"companion_mode": companion_mode} | more, {})


def test_labels_keep_the_mass_that_smoothing_leaves():
    """0.5 on the class, the rest on the others alike."""
    told = smoothed(torch.tensor([1, 0]), 3, 0.5)
    assert torch.allclose(told, torch.tensor([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]))


def test_the_attack_makes_the_discriminator_sure_and_knows_no_label(model, four):
    """Step 3: x0 - ε·sign of the gradient of BCE(D(f(x0)), 0)."""
    attack = recipe().threat
    attacked = attack(model, four, rng(0))
    other = Batch(four.images, four.labels.flip(0))
    assert torch.equal(attacked, attack(model, other, rng(0)))
    model.eval()
    edit = attack.attack.edit
    (addition,) = edit.start(four, rng(0))
    start = (four.images + addition).requires_grad_()
    verdict = model.companion(model(start))[:, 0]
    loss = functional.binary_cross_entropy_with_logits(verdict, torch.zeros(4))
    (gradient,) = torch.autograd.grad(loss, start)
    moved = start - 0.1 * gradient.sign()
    moved = moved.clamp(four.images - 0.1, four.images + 0.1).clamp(0, 1)
    assert torch.allclose(attacked, moved, atol=1e-6)


def test_the_classifier_s_loss_is_smoothed_and_held_near_its_clean_logits(model, four):
    """Step 5, with the scale s as a constant."""
    told, twin = recipe(), linear()
    attacked = told.threat(twin, four, rng(0)).requires_grad_()
    natural = twin.eval()(four.images).detach()
    logits = twin.train()(attacked)
    labels = smoothed(four.labels, 3, 0.5)
    entropy = -(labels * logits.log_softmax(1)).sum(1).mean()
    distance = (logits - natural).square().mean()
    steepest = [
        torch.autograd.grad(loss, attacked, retain_graph=True)[0].max().item()
        for loss in (entropy, distance)
    ]
    expected = entropy + 0.5 * steepest[0] / steepest[1] * distance
    loss = told.loss(model, four, rng(0))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for one, other in zip(
        torch.autograd.grad(loss, own_parameters(model)),
        torch.autograd.grad(expected, own_parameters(twin)),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-5)


def test_in_the_paper_the_classifier_deceives_the_discriminator(model, four):
    """Eq. 7: L_f + log D(adv) + log(1 - D(nat)), D there being sure of attacked ones."""
    told = recipe(held_by="discriminator")
    attacked = told.threat(model, four, rng(0))
    model.train()
    logits, natural = model(attacked), model(four.images)
    model.companion.eval()
    sure = [1 - model.companion(z)[:, 0].sigmoid() for z in (logits, natural)]
    deceived = (sure[0].log() + (1 - sure[1]).log()).mean()
    entropy = functional.cross_entropy(logits, smoothed(four.labels, 3, 0.5))
    loss = told.loss(model.train(), four, rng(0))
    assert loss.item() == pytest.approx((entropy + deceived).item(), rel=1e-4)
    loss.backward()
    assert all(p.grad is not None for p in own_parameters(model))
    assert all(p.grad is None for p in model.companion.parameters())
    assert all(p.requires_grad for p in model.companion.parameters())


def test_the_discriminator_learns_manifold_and_classes_of_what_it_was_shown(
    model, four
):
    """Step 4: four terms of weight 1, on logits without a graph."""
    told = recipe()
    told.loss(model, four, rng(0))
    natural, attacked, labels = model.companion.lesson
    assert torch.equal(natural, Linear(4, 3).eval()(four.images))
    assert not attacked.requires_grad
    loss = told.companion_loss(model.companion, natural, attacked, labels)
    model.companion.trunk.norm.reset_running_stats()
    expected = 0
    for logits, goal in ((natural, 1.0), (attacked, 0.0)):
        verdict = model.companion(logits)
        goals = torch.full([4], goal)
        expected += functional.binary_cross_entropy_with_logits(verdict[:, 0], goals)
        expected += functional.cross_entropy(verdict[:, 1:], labels)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_tutor_takes_both_steps_and_leaves_the_classifier_alone(model, four):
    told = recipe(companion_steps=2, companion_rate=0.01)
    tutor = tutor_of(model, told, SCHEDULE)
    told.loss(model, four, rng(0))
    classifier = [p.clone() for p in own_parameters(model)]
    weight = model.companion.trunk.layer.weight
    expected = weight.detach().clone()
    twin = Companion(Linear(3, 4)).train()
    for _ in range(2):
        loss = told.companion_loss(twin, *model.companion.lesson)
        (gradient,) = torch.autograd.grad(
            loss, twin.trunk.layer.weight, retain_graph=True
        )
        every = torch.autograd.grad(loss, list(twin.parameters()))
        expected -= 0.01 * gradient
        with torch.no_grad():
            for parameter, slope in zip(twin.parameters(), every, strict=True):
                parameter -= 0.01 * slope
    tutor.teach()
    assert torch.allclose(weight, expected, atol=1e-6)
    own = own_parameters(model)
    assert all(torch.equal(*pair) for pair in zip(own, classifier, strict=True))
    assert all(parameter.grad is None for parameter in own)


def test_a_discriminator_that_knows_nothing_errs_by_log_two_on_each_side():
    assert manifold_loss(*torch.zeros(2, 5, 4)).item() == pytest.approx(2 * 0.6931472)


def attacked_by_hand(model, batch, epsilon=0.1):
    """Steps 2 and 3, by a discriminator in the mode that it is in."""
    (addition,) = recipe(epsilon).threat.attack.edit.start(batch, rng(0))
    start = (batch.images + addition).requires_grad_()
    verdict = model.companion(model(start))[:, 0]
    loss = functional.binary_cross_entropy_with_logits(verdict, torch.zeros(4))
    (gradient,) = torch.autograd.grad(loss, start)
    moved = start.detach() - epsilon * gradient.sign()
    return moved.clamp(batch.images - epsilon, batch.images + epsilon).clamp(0, 1)


def test_the_code_s_discriminator_judges_by_the_batch_while_it_is_attacked(four):
    """Only the classifier is put into eval mode."""
    assert Atld(recipe().threat, 3).companion_mode == "batch", "the default"
    seen = {}
    for mode in ("batch", "running"):
        told, twin = recipe(companion_mode=mode), linear()
        twin.eval()
        if mode == "batch":
            twin.companion.train()
        expected = attacked_by_hand(twin, four)
        model = linear()
        told.loss(model, four, rng(0))
        logits = linear()(expected)  # of a network in training mode
        assert torch.allclose(model.companion.lesson[1], logits, atol=1e-5)
        assert model.companion.training
        seen[mode] = expected
    assert not torch.allclose(seen["batch"], seen["running"])


def test_its_running_statistics_follow_all_that_the_code_s_sees(model, four):
    """In its order: natural and start for the attack, then attacked and natural twice."""
    told = recipe(companion_mode="batch", companion_rate=1e-9)
    tutor = tutor_of(model, told, SCHEDULE)
    told.loss(model, four, rng(0))
    tutor.teach()
    natural, attacked, _ = model.companion.lesson
    (addition,) = told.threat.attack.edit.start(four, rng(0))
    start = linear().eval()(four.images + addition)
    expected = torch.zeros(3)
    for logits in (natural, start, attacked, natural, attacked, natural):
        expected += 0.1 * (logits.mean(0) - expected)
    norm = model.companion.trunk.norm
    assert torch.allclose(norm.running_mean, expected, atol=1e-5)
    assert int(norm.num_batches_tracked) == 6


def test_attacks_leave_both_networks_batch_norms_alone(model, four):
    """As the discriminator is in eval mode here."""
    recipe().loss(model, four, rng(0))
    assert int(model.norm.num_batches_tracked) == 1, "the attacked images, once"
    assert int(model.companion.trunk.norm.num_batches_tracked) == 0
    assert model.training
    assert model.companion.training


def test_the_discriminator_learns_while_the_defense_does(
    spec_of, toy_images, toy_generator, tmp_path
):
    spec = spec_of("atld", epochs=6)
    untrained = new_model(spec.architecture, spec.seed).companion
    model, _ = train_defense(spec, toy_images, {}, tmp_path, torch.device("cpu"))
    told = build_recipe(spec.recipe, {})
    told.loss(model.train(), Batch(*toy_images[torch.arange(48)]), rng(0))
    losses = [
        told.companion_loss(companion.train(), *model.companion.lesson).item()
        for companion in (untrained, model.companion)
    ]
    assert losses[1] < losses[0]


@pytest.mark.parametrize("lacks", ["network", "recipe"])
def test_a_companion_that_only_one_side_knows_is_one_sentence(model, lacks):
    told = recipe() if lacks == "network" else object()
    with pytest.raises(PipelineError, match="must both have a companion, or neither"):
        tutor_of(nn.Identity() if lacks == "network" else model, told, SCHEDULE)
