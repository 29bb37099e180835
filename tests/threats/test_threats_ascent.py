"""The one loop behind every attack, against closed forms and a peer."""

import foolbox
import pytest
import torch
from threats_house import ascend
from torch.nn import functional

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.frozen import frozen
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Victim

EPSILON = 0.03


def objective():
    return make("objective", {"objective": "cross_entropy"})


def pixel(step_size=EPSILON / 4, start_at="zero", **more):
    settings = {"epsilon": EPSILON, "step_size": step_size, "start_at": start_at}
    return make("perturbation", {"perturbation": "pixel", **settings, **more})


def latent(generator, step_size=EPSILON / 4, start_at="zero"):
    settings = {"epsilon": EPSILON, "step_size": step_size, "start_at": start_at}
    entry = {"perturbation": "latent", **settings}
    return make("perturbation", entry, generator=generator)


def joint(generator, **more):
    parts = [latent(generator, **more), pixel(boxed=False, **more)]
    return make("perturbation", {"perturbation": "together"}, parts=parts)


def loss(model, images, labels):
    with frozen(model), torch.no_grad():
        return functional.cross_entropy(model(images), labels, reduction="none")


def gradient_of(model, images, labels):
    leaf = images.clone().requires_grad_()
    with frozen(model):
        gain = functional.cross_entropy(model(leaf), labels, reduction="sum")
        return torch.autograd.grad(gain, leaf)[0]


@pytest.mark.parametrize("edit", ["pixel", "latent", "joint"])
def test_an_attack_raises_the_loss_of_nearly_every_image(
    model, middle, toy_generator, edit
):
    edits = {"pixel": pixel(), "latent": latent(toy_generator)}
    edits["joint"] = joint(toy_generator)
    edited = ascend(model, middle, edits[edit], objective(), 10, rng(0))
    before = loss(model, middle.images, middle.labels)
    after = loss(model, edited, middle.labels)
    assert (after > before).all()


def test_more_steps_and_a_second_space_do_not_do_less(model, middle, toy_generator):
    def after(edit, steps):
        edited = ascend(model, middle, edit, objective(), steps, rng(0))
        return loss(model, edited, middle.labels).mean()

    assert after(pixel(), 10) >= after(pixel(), 2)
    assert after(joint(toy_generator), 10) >= after(pixel(), 10)


@pytest.mark.parametrize("training", [True, False])
def test_an_attack_leaves_the_model_as_it_was(model, batch, training):
    model.train(training)
    next(model.features.children()).requires_grad_(False)
    model.features[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    frozen = [parameter.requires_grad for parameter in model.parameters()]
    edited = ascend(model, batch, pixel(start_at="random"), objective(), 3, rng(0))
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == frozen
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert not edited.requires_grad


def test_a_model_is_as_before_even_where_the_attack_fails(model, batch):
    modes = [module.training for module in model.modules()]
    with pytest.raises(ValueError):
        ascend(
            model,
            Batch(batch.images, batch.labels[:1]),
            pixel(),
            objective(),
            1,
            rng(0),
        )
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_one_full_step_is_fgsm(model, batch):
    edited = ascend(model, batch, pixel(step_size=EPSILON), objective(), 1, rng(0))
    gradient = gradient_of(model, batch.images, batch.labels)
    expected = (batch.images + EPSILON * gradient.sign()).clamp(0, 1)
    assert torch.allclose(edited, expected, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_pgd_is_foolbox_s(model, batch, steps):
    model.eval()
    attack = foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=steps, random_start=False)
    peer = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    theirs, _, _ = attack(peer, batch.images, batch.labels, epsilons=EPSILON)
    ours = ascend(model, batch, pixel(), objective(), steps, rng(0))
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert (ours - batch.images).abs().max() > EPSILON / 5


def test_jsa_moves_both_spaces_from_the_same_point(model, middle, toy_generator):
    """IJSAT eq. 8: both gradients are taken before either parameter moves."""
    generator, images, labels = toy_generator, middle.images, middle.labels
    edit = joint(generator, step_size=0.01, start_at="random")
    on_manifold, on_pixels = edit.start(middle, rng(0, "start"))
    on_manifold.requires_grad_()
    on_pixels.requires_grad_()
    with frozen(model):
        latents = generator.encode(images)
        edited = generator.decode(latents + on_manifold) + on_pixels
        gain = functional.cross_entropy(model(edited), labels, reduction="sum")
        gradients = torch.autograd.grad(gain, [on_manifold, on_pixels])
    moved = [
        (parameter + 0.01 * gradient.sign()).clamp(-EPSILON, EPSILON).detach()
        for parameter, gradient in zip([on_manifold, on_pixels], gradients, strict=True)
    ]
    expected = (generator.decode(latents + moved[0]) + moved[1]).clamp(0, 1)
    ours = ascend(model, middle, edit, objective(), 1, rng(0, "start"))
    assert torch.allclose(ours, expected, atol=1e-6)


def test_the_loss_of_mixed_labels_is_the_mixed_loss(model, batch):
    """IJSAT eq. 6, from the linearity of cross-entropy in the label."""
    model.eval()
    other, alpha = batch.labels.roll(1), rng(0, "alpha").uniform([len(batch.labels)])
    one_hot = functional.one_hot(torch.stack([batch.labels, other]), 3).float()
    mixed = alpha[:, None] * one_hot[0] + (1 - alpha[:, None]) * one_hot[1]
    told = objective()(
        model(batch.images), Batch(batch.images, mixed), Victim.of(model)
    )
    parts = [loss(model, batch.images, labels) for labels in (batch.labels, other)]
    assert torch.allclose(told, alpha * parts[0] + (1 - alpha) * parts[1], atol=1e-6)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("edit", [lambda _: pixel(), joint])
def test_the_smallest_batches_can_be_attacked(model, batch, toy_generator, count, edit):
    small = Batch(batch.images[:count], batch.labels[:count])
    edited = ascend(model, small, edit(toy_generator), objective(), 2, rng(0))
    assert edited.shape == (count, 3, 8, 8)


def test_an_image_s_attack_does_not_depend_on_its_neighbours(model, batch):
    edit = pixel(start_at="random")
    whole = ascend(model, batch, edit, objective(), 5, image_rng(0, range(6), "attack"))
    part = Batch(batch.images[4:], batch.labels[4:])
    last = ascend(model, part, edit, objective(), 5, image_rng(0, [4, 5], "attack"))
    assert torch.allclose(whole[4:], last, atol=1e-6)


def test_no_steps_leave_the_start(model, batch):
    edit = pixel(start_at="random")
    edited = ascend(model, batch, edit, objective(), 0, rng(0, "start"))
    assert torch.equal(edited, edit.apply(batch, edit.start(batch, rng(0, "start"))))


def nothing(steps):
    entry = {"perturbation": "nothing"}
    cross_entropy = {"objective": "cross_entropy"}
    return build_threat(
        ThreatSpec(edit=entry, objective=cross_entropy, steps=steps), {}
    )


def test_the_clean_threat_edits_nothing(model, batch):
    assert torch.equal(nothing(0)(model, batch, rng(0)), batch.images)


def test_steps_of_nothing_are_nothing(model, batch):
    assert torch.equal(nothing(3)(model, batch, rng(0)), batch.images)


def test_a_threat_finds_its_generators_by_name(model, middle, toy_generator):
    parts = [
        {
            "perturbation": "latent",
            "generator": {"name": "mine", "generator": "glow"},
            "epsilon": EPSILON,
            "step_size": 0.01,
        },
        {
            "perturbation": "pixel",
            "epsilon": EPSILON,
            "step_size": 0.01,
            "boxed": False,
        },
    ]
    spec = ThreatSpec(
        edit={"perturbation": "together", "parts": parts},
        objective={"objective": "cross_entropy"},
        steps=2,
    )
    built = build_threat(spec, {"mine": toy_generator})
    expected = joint(toy_generator, step_size=0.01, start_at="random")
    ours = ascend(model, middle, expected, objective(), 2, rng(0))
    assert torch.equal(built(model, middle, rng(0)), ours)
