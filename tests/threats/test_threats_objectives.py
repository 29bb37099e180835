"""Every objective is its paper's formula, an image at a time."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from threats_house import ascend
from torch import nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make, words
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import frozen
from pipeline_steps.threats.objectives.margin import margins
from pipeline_steps.threats.objectives.optimal_transport import transport
from pipeline_steps.threats.victim import Victim

CLASSES = 3


def discriminator():
    network = nn.Linear(CLASSES, 1 + CLASSES)
    with torch.no_grad():
        network.weight.copy_(rng(0, "weight").normal(network.weight.shape))
        network.bias.zero_()
    return network.requires_grad_(False)


@pytest.fixture
def model(model):
    """With a companion, as the defenses have that a discriminator was trained with."""
    model.companion = discriminator()
    return model


def objective(word, **settings):
    return make("objective", {"objective": word, **settings})


def pixel(epsilon=0.05, **more):
    settings = {"epsilon": epsilon, "step_size": epsilon / 4, **more}
    return make("perturbation", {"perturbation": "pixel", **settings})


def compared(batch, model):
    """The batch with what the model says of its images."""
    with torch.no_grad():
        return replace(batch, clean_logits=model(batch.images))


def gain(told, model, images, batch):
    with frozen(model), torch.no_grad():
        return told(model(images), compared(batch, model), Victim.of(model))


@pytest.mark.parametrize("word", words("objective"))
def test_an_attack_raises_its_objective(model, batch, word):
    told = objective(word)
    edited = ascend(model, batch, pixel(), told, 10, rng(0))
    targets = told.aim(compared(batch, model.eval()), Victim.of(model), rng(0))
    batch = Batch(batch.images, batch.labels, targets)
    near = batch.images + 0.001 * rng(0, "near").normal(batch.images.shape)
    before, after = (gain(told, model, i, batch) for i in (near, edited))
    assert after.mean() > before.mean()


@pytest.mark.parametrize("word", sorted({*words("objective")} - {"optimal_transport"}))
def test_the_gain_of_an_image_does_not_depend_on_its_neighbours(model, batch, word):
    told, part = objective(word), batch.take(torch.tensor([4, 5]))
    whole = ascend(model, batch, pixel(), told, 3, image_rng(0, range(6), "attack"))
    last = ascend(model, part, pixel(), told, 3, image_rng(0, [4, 5], "attack"))
    assert torch.allclose(whole[4:], last, atol=1e-6)


@pytest.mark.parametrize("word", words("objective"))
@pytest.mark.parametrize("count", [0, 1])
def test_the_smallest_batches_have_a_gain(model, batch, word, count):
    small = batch.take(torch.arange(count))
    edited = ascend(model, small, pixel(), objective(word), 2, rng(0))
    assert len(edited) == count
    assert edited.isfinite().all()


@given(
    st.lists(st.floats(-40, 40, width=32), min_size=3, max_size=3), st.integers(0, 2)
)
def test_the_margin_is_carlini_and_wagner_s(logits, label):
    others = [value for i, value in enumerate(logits) if i != label]
    expected = -max(logits[label] - max(others) + 50, 0)
    batch = Batch(torch.zeros(1, 1, 1, 1), torch.tensor([label]))
    told = objective("margin")(torch.tensor([logits]), batch, None)
    # The sign as it is ascended: the true class falls, and no further than asked.
    assert told.item() == pytest.approx(
        -max(50 - (max(others) - logits[label]), 0), abs=1e-4
    )
    assert told.item() == pytest.approx(expected, abs=1e-4)


def test_a_margin_above_zero_is_a_fooled_model(model, batch):
    logits = model.eval()(batch.images)
    wrong = logits.argmax(dim=1) != batch.labels
    assert torch.equal(margins(logits, batch.labels) > 0, wrong)


def test_kl_is_nothing_at_the_clean_image_and_pytorch_s_elsewhere(model, batch):
    batch, victim = compared(batch, model.eval()), Victim.of(model)
    assert objective("kl")(model(batch.images), batch, victim).abs().max() < 1e-6
    edited = model(batch.images.flip(0))
    told = objective("kl")(edited, batch, victim)
    clean = torch.distributions.Categorical(logits=model(batch.images))
    other = torch.distributions.Categorical(logits=edited)
    expected = torch.distributions.kl_divergence(clean, other)
    assert torch.allclose(told, expected, atol=1e-5)


def test_the_clean_prediction_is_asked_for_once_an_attack(model, batch):
    asked = []
    model.register_forward_hook(lambda *_: asked.append(1))
    ascend(model, batch, pixel(), objective("kl"), 5, rng(0))
    assert len(asked) == 6


def test_what_was_said_before_an_attack_is_not_believed_in_it(model, batch):
    """A batch may have been attacked before the network learned from it."""
    stale = replace(batch, clean_logits=torch.full((6, CLASSES), torch.nan))
    fresh = ascend(model, batch, pixel(), objective("kl"), 2, rng(0))
    assert torch.equal(ascend(model, stale, pixel(), objective("kl"), 2, rng(0)), fresh)


def test_an_objective_that_compares_wants_clean_logits(model, batch):
    with pytest.raises(ValueError, match="clean logits, and the batch has none"):
        objective("kl")(model(batch.images), batch, Victim.of(model))


def test_a_discriminator_s_classifier_may_lead_to_a_class_too(model, batch):
    told = objective("discriminator", classifier=objective("targeted"))
    assert told.compares
    aims = told.aim(compared(batch, model.eval()), Victim.of(model), rng(0))
    assert (aims != batch.labels).all()
    assert not objective("discriminator", classifier=objective("margin")).compares


@pytest.mark.parametrize("target", ["random", "likeliest", "nearest"])
def test_a_target_is_a_wrong_class_and_all_are_chosen(model, target):
    images = rng(0, "many").uniform([60, 3, 8, 8])
    batch = Batch(images, torch.arange(60) % CLASSES)
    batch, victim = compared(batch, model.eval()), Victim.of(model)
    aims = objective("targeted", target=target).aim(batch, victim, rng(0))
    assert (aims != batch.labels).all()
    assert aims.min() >= 0
    assert aims.max() < CLASSES
    if target == "random":
        assert torch.unique(torch.stack([batch.labels, aims]), dim=1).shape[1] == 6
    if target == "likeliest":
        others = model(images).scatter(1, batch.labels[:, None], -torch.inf)
        assert torch.equal(aims, others.argmax(dim=1))


def test_the_nearest_class_is_the_one_whose_boundary_is_closest():
    """Bilateral's MOSA by hand: leads 1, 2 and -3; weights 1, 4 and 1 apart from the true."""
    head = nn.Linear(1, 4, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.0], [1.0], [4.0], [-1.0]]))
    model = nn.Sequential(nn.Flatten(), head)
    batch = Batch(torch.zeros(1, 1, 1, 1), torch.tensor([0]))
    told, victim = objective("targeted", target="nearest"), Victim.of(model)

    def aim(*logits):
        answered = replace(batch, clean_logits=torch.tensor([logits]))
        return told.aim(answered, victim, rng(0)).tolist()

    assert aim(5.0, 4.0, 3.0, 8.0) == [2], "2 of 4, not 1 of 1"
    assert aim(5.0, 6.0, 7.0, 8.0) == [2], "all are ahead"


def test_without_a_linear_layer_there_is_no_nearest_class(batch):
    told = objective("targeted", target="nearest")
    model = nn.Sequential(nn.Conv2d(3, 3, 8), nn.Flatten())
    with pytest.raises(PipelineError, match="has none with 3 outputs"):
        told.aim(compared(batch, model), Victim.of(model), rng(0))


def test_a_targeted_attack_is_foolbox_s_descent(model, batch):
    import foolbox

    model.eval()
    told = objective("targeted", target="likeliest")
    edited = ascend(model, batch, pixel(start_at="zero"), told, 5, rng(0))
    attack = foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=5, random_start=False)
    peer = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    targets = told.aim(compared(batch, model), Victim.of(model), rng(0))
    aims = foolbox.criteria.TargetedMisclassification(targets)
    theirs, _, _ = attack(peer, batch.images, aims, epsilons=0.05)
    assert torch.allclose(edited, theirs, atol=1e-6)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("towards", ["attacked", "natural"])
def test_the_discriminator_s_objective_is_its_loss(model, batch, both, towards):
    """Natural is 1, attacked is 0 (docs/methods/atld.md#setup); in training the attack descends
    BCE(D, 0). In '(Cla+D)' the classifier's loss is raised besides (ATLD table V)."""
    logits = 5 * rng(0, "logits").normal([6, CLASSES])
    classifier = objective("cross_entropy") if both else None
    told = objective("discriminator", towards=towards, classifier=classifier)
    verdict = discriminator()(logits)[:, 0]
    goal = torch.full([6], float(towards == "natural"))
    loss = functional.binary_cross_entropy_with_logits(verdict, goal, reduction="none")
    own = functional.cross_entropy(logits, batch.labels, reduction="none")
    expected = both * own - loss
    assert torch.allclose(told(logits, batch, Victim.of(model)), expected, atol=1e-6)


def test_a_defense_without_a_discriminator_is_one_sentence(batch):
    logits = torch.zeros(6, CLASSES)
    with pytest.raises(
        PipelineError, match="trained with a discriminator; give this defense a"
    ):
        objective("discriminator")(logits, batch, Victim.of(nn.Identity()))


@given(st.integers(0, 100), st.integers(2, 7))
@settings(max_examples=20, deadline=None)
def test_the_plan_moves_everything_and_little_dearer_than_the_best(seed, count):
    cost = rng(seed, "cost").uniform([count, count])
    plan = transport(cost, regularisation=0.01, iterations=2000)
    share = torch.full((count,), 1 / count)
    assert torch.allclose(plan.sum(0), share, atol=1e-4)
    assert torch.allclose(plan.sum(1), share, atol=1e-2)
    rows, columns = linear_sum_assignment(cost.numpy())
    best = float(cost[rows, columns].mean())
    assert float((plan * cost).sum()) == pytest.approx(best, abs=0.02)


def test_no_transport_is_needed_where_nothing_moved(model, batch):
    batch, victim = compared(batch, model.eval()), Victim.of(model)
    told = objective("optimal_transport", iterations=500, plan="fixed")
    here = told(model(batch.images), batch, victim).sum()
    far = told(model(batch.images.flip(2) * 0.2), batch, victim).sum()
    assert here < 1e-2
    assert far > here


def scattered(count, spread):
    """Clean logits of a batch, and edited ones that lie a spread away from them."""
    clean = rng(0, "clean", count).normal([count, CLASSES]).double()
    return clean, clean + spread * rng(0, "edit", count).normal([count, CLASSES])


def released_transport(edited, clean):
    """Feature Scattering's cost as its code computes it, by scalings in place of logarithms:
    clean images are scaled first, 1e-6 stands beside each sum, and all is differentiated."""
    lengths = clean.norm(dim=1)[:, None] * edited.norm(dim=1)
    cost = (1 - clean @ edited.T / lengths).clamp_min(0)
    kernel, share = (-cost / 0.01).exp(), 1 / len(cost)
    of_clean, of_edited = torch.ones_like(cost[:, 0]), torch.ones_like(cost[0])
    passes, change = 0, 1.0
    while change >= 0.1 and passes < 100:
        passes, before = passes + 1, of_clean
        of_clean = before * share / (before * (kernel @ of_edited) + 1e-6)
        of_edited = of_edited * share / (of_edited * (of_clean @ kernel) + 1e-6)
        change = 0.01 * (of_clean / before).log().abs().sum()
    return (of_clean[:, None] * kernel * of_edited * cost).sum(), passes


@pytest.mark.parametrize(
    ("count", "spread", "last"), [(6, 0.3, 1), (60, 0.1, 2), (60, 1.0, 12)]
)
def test_the_released_transport_stops_early_and_is_differentiated(count, spread, last):
    clean, edited = scattered(count, spread)
    edited.requires_grad_()
    batch = Batch(clean, torch.zeros(count).long(), clean_logits=clean)
    victim = Victim.of(nn.Identity())
    ours, apart = (
        objective("optimal_transport", plan=plan)(edited, batch, victim).sum()
        for plan in ("released", "fixed")
    )
    theirs, passes = released_transport(edited, clean)
    assert passes == last
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    uphill, expected, other = (
        torch.autograd.grad(cost, edited)[0] for cost in (ours, theirs, apart)
    )
    assert (uphill - expected).norm() < 1e-5 * expected.norm()
    assert (other - expected).norm() > 0.02 * expected.norm()


def test_the_transport_is_the_released_one_if_nothing_else_is_said():
    clean, edited = scattered(40, 0.5)
    batch = Batch(clean, torch.zeros(40).long(), clean_logits=clean)
    victim = Victim.of(nn.Identity())
    told = objective("optimal_transport")(edited, batch, victim).sum()
    assert told.item() == pytest.approx(released_transport(edited, clean)[0].item())
