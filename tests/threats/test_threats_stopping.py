"""Stopping rules, restarts, averaged gradients and momentum, as options of any ascent."""

import pytest
import torch
from threats_house import ascend, attacked
from torch import nn
from torch.nn import functional

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Victim


def pixel(epsilon, **more):
    settings = {"epsilon": epsilon, "step_size": epsilon / 4, **more}
    return make("perturbation", {"perturbation": "pixel", **settings})


OBJECTIVE = make("objective", {"objective": "cross_entropy"})


def told_of(defense, steps=8, count=60, model=None, start_at="random", **course):
    edit, batch = pixel(defense.epsilon, start_at=start_at), defense.first(count)
    draw = image_rng(0, range(count), "attack")
    model = model or defense.model
    return attacked(model, batch, edit, OBJECTIVE, steps, draw, **course)


def wrong(defense, images):
    labels = defense.batch.labels[: len(images)]
    return defense.model(images).argmax(dim=1) != labels


def test_any_breaks_all_that_last_breaks_and_leaves_the_rest_as_it_was(defense):
    last, some = told_of(defense), told_of(defense, stop="any")
    broken = wrong(defense, some.images)
    assert (broken >= wrong(defense, last.images)).all()
    assert 0 < broken.sum() < len(broken)
    # Another batch of convolutions may round a sign at 0 otherwise, once in a while.
    same = torch.isclose(last.images, some.images, atol=1e-6).flatten(1).all(1)
    assert same[~broken].float().mean() > 0.9


def test_with_any_broken_images_leave_the_batch(defense):
    asked = []
    handle = defense.model.register_forward_hook(lambda _, i, o: asked.append(len(o)))
    told = told_of(defense, stop="any")
    handle.remove()
    assert asked[0] == 60
    assert asked == sorted(asked, reverse=True)
    assert sum(asked) == (told.used + (told.used < 8)).sum()
    broken = wrong(defense, told.images)
    assert (told.used[~broken] == 8).all()
    assert (told.used[broken] < 8).any()


def test_with_any_a_start_outside_0_to_1_breaks_no_image(defense):
    """Nothing out there is an image: it has to come back by a step first."""
    told = told_of(defense, start_at="unclipped", stop="any")
    assert told.images.min() >= 0 and told.images.max() <= 1
    broken = wrong(defense, told.images)
    assert (told.used[broken] > 0).all() and 0 < broken.sum() < len(broken)


def test_images_that_are_wrong_from_the_start_take_no_step(defense):
    told = told_of(defense, stop="any", start_at="zero")
    clean = defense.first(60).images
    before = wrong(defense, clean)
    assert torch.equal(told.used == 0, before)
    assert torch.equal(told.images[before], clean[before])


@pytest.mark.parametrize("stop", ["last", "any"])
def test_more_restarts_never_help_the_defender(defense, stop):
    counts = [
        int(wrong(defense, told_of(defense, 2, stop=stop, restarts=n).images).sum())
        for n in (1, 2, 6)
    ]
    assert counts[0] <= counts[1] <= counts[2]
    assert counts[0] < counts[2]


def test_a_restart_tries_only_what_withstood(defense):
    once, twice = told_of(defense, 3), told_of(defense, 3, restarts=2)
    broken = wrong(defense, once.images)
    assert torch.equal(once.images[broken], twice.images[broken])
    assert torch.equal(twice.used == 6, ~broken)
    again = (once.images - twice.images).abs().flatten(1).amax(dim=1)
    assert (again[~broken] > 0).all(), "the second start is another one"


@pytest.mark.parametrize("course", [{"stop": "any"}, {"restarts": 3}])
def test_an_image_s_course_does_not_depend_on_its_neighbours(defense, course):
    def edited(rows):
        edit = pixel(defense.epsilon)
        draw = image_rng(0, rows, "attack")
        part = defense.batch.take(torch.tensor(rows))
        model = defense.model
        return attacked(model, part, edit, OBJECTIVE, 3, draw, **course)

    whole, part = edited(list(range(40))), edited([30, 7, 21])
    rows = [30, 7, 21]
    assert torch.equal(whole.used[rows], part.used)
    assert torch.allclose(whole.images[rows], part.images, atol=1e-6)


class Noisy(nn.Module):
    """A network that sees its images through noise."""

    def __init__(self, model, size):
        super().__init__()
        self.model, self.size, self.draw = model, size, rng(0, "noise")

    def forward(self, images):
        return self.model(images + self.size * self.draw.normal(images.shape))


def test_averaged_gradients_are_better_against_a_random_defense(defense):
    def broken(samples):
        model = Noisy(defense.model, 0.5)
        return wrong(
            defense, told_of(defense, 4, model=model, samples=samples).images
        ).sum()

    assert broken(12) > broken(1)


def test_averages_of_equal_gradients_are_the_gradient(defense):
    one, four = told_of(defense, 4), told_of(defense, 4, samples=4)
    assert torch.equal(one.images, four.images)


def test_the_momentum_iterative_attack_is_its_paper_s(model, batch):
    """Dong et al. 2018, eq. 6 and 7, written down once more."""
    images, epsilon, step = batch.images, 0.03, 0.03 / 4
    edited, gathered = images, torch.zeros_like(images)
    model.eval()
    for _ in range(10):
        leaf = edited.clone().requires_grad_()
        loss = functional.cross_entropy(model(leaf), batch.labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, leaf)
        norm = gradient.abs().sum(dim=(1, 2, 3), keepdim=True)
        gathered = gathered + gradient / norm
        edited = edited + step * gathered.sign()
        edited = edited.clamp(images - epsilon, images + epsilon).clamp(0, 1)
    edit = pixel(epsilon, start_at="zero")
    ours = ascend(model, batch, edit, OBJECTIVE, 10, rng(0), momentum=1.0)
    assert torch.allclose(ours, edited, atol=1e-6)
    without = ascend(model, batch, edit, OBJECTIVE, 10, rng(0))
    assert not torch.allclose(ours, without, atol=1e-6)


class Blind(nn.Module):
    """No gradient comes through it."""

    def forward(self, images):
        return (images.mean(dim=(2, 3)) + 0 * images.sum()) * 0


def test_momentum_without_a_gradient_is_no_move_and_no_number_that_isn_t(batch):
    edit = pixel(0.03, start_at="zero")
    edited = ascend(Blind(), batch, edit, OBJECTIVE, 3, rng(0), momentum=1.0)
    assert torch.equal(edited, batch.images)


class Negated(nn.Module):
    """A network that errs everywhere, since it answers the contrary of another."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return -self.model(images)


def test_only_what_the_exact_network_errs_on_is_broken(defense):
    batch = defense.first(60)
    victim = Victim(fast=Negated(defense.model), exact=defense.model)
    told = victim.misclassified(batch.images, victim(batch.images), batch.labels)
    assert torch.equal(told, wrong(defense, batch.images))


def test_the_exact_network_is_asked_only_of_what_the_fast_one_errs_on(defense):
    """And not at all where both are one, or every attack would cost more passes."""
    batch, asked = defense.first(60), []
    handle = defense.model.register_forward_hook(lambda _, i, o: asked.append(len(o)))
    logits = defense.model(batch.images)
    Victim.of(defense.model).misclassified(batch.images, logits, batch.labels)
    assert asked == [60]
    victim = Victim(fast=nn.Identity(), exact=defense.model)
    victim.misclassified(batch.images, logits, batch.labels)
    assert asked[1:] == [int(wrong(defense, batch.images).sum())]
    asked.clear()
    right = functional.one_hot(batch.labels, 10)
    victim.misclassified(batch.images, right, batch.labels)
    handle.remove()
    assert asked == []


def test_options_stand_in_the_spec(model, batch):
    edit = {"perturbation": "pixel", "epsilon": 0.03, "step_size": 0.01}
    objective = {"objective": "cross_entropy"}
    options = {"momentum": 1.0, "restarts": 2, "samples": 2, "stop": "any"}
    spec = ThreatSpec(edit=edit, objective=objective, steps=3, **options)
    assert spec.model_dump()["attack"] == "ascent"
    built, direct = build_threat(spec, {}), make("perturbation", edit)
    ours = ascend(model, batch, direct, OBJECTIVE, 3, rng(0), **options)
    assert torch.equal(built(model, batch, rng(0)), ours)


def test_mixed_labels_are_fooled_away_from_their_likeliest_class(model, batch):
    mixed = torch.full((6, 3), 0.1)
    mixed.scatter_(1, batch.labels[:, None], 0.8)
    soft = Batch(batch.images, mixed)
    told = attacked(model, soft, pixel(0.05), OBJECTIVE, 4, rng(0), stop="any")
    model.eval()
    left = model(told.images).argmax(dim=1) == batch.labels
    assert torch.equal(told.used == 4, left)


def several(word, generator):
    latent = {"perturbation": "latent", "epsilon": 0.1, "step_size": 0.03}
    parts = [make("perturbation", latent, generator=generator), pixel(0.1, boxed=False)]
    return make("perturbation", {"perturbation": word}, parts=parts)


@pytest.mark.parametrize("word", ["together", "in_turn"])
@pytest.mark.parametrize("options", [{}, {"momentum": 1.0}, {"restarts": 2}])
def test_options_hold_for_several_edits_at_once(
    model, middle, toy_generator, word, options
):
    """Parameters, latents and velocities of each image leave with it."""
    edit, fates = several(word, toy_generator), []
    model.eval()
    labels = model(middle.images).argmax(dim=1)
    for stop in ("last", "any"):
        batch = Batch(middle.images, labels)
        draw = image_rng(0, range(6), "attack")
        told = attacked(model, batch, edit, OBJECTIVE, 6, draw, stop=stop, **options)
        fates.append(model(told.images).argmax(dim=1) != labels)
    assert (fates[1] >= fates[0]).all()
    assert fates[1].any()
