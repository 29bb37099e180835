"""Each recipe's crafted batch and loss, worked out by hand on a linear network."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline_steps.core.rng import PartRng, rng
from pipeline_steps.defenses.losses import boosted_cross_entropy, kl, kl_of_each
from pipeline_steps.defenses.mixing import mixed, neighbours
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.threats.batch import Batch, moved
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

WEIGHT = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, -1.0, 1.0], [-1.0, 1, 2, -2]])
IMAGES = torch.tensor(
    [
        [0.5, 0.4, 0.3, 0.6],
        [0.2, 0.8, 0.5, 0.5],
        [0.7, 0.1, 0.6, 0.4],
        [0.3, 0.3, 0.4, 0.9],
    ]
).reshape(4, 1, 2, 2)
LABELS = torch.tensor([0, 1, 2, 0])
BATCH = Batch(IMAGES, LABELS)
EPSILON = 0.1


class Linear(nn.Module):
    """Three classes of four pixels, by weights that are written down."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(WEIGHT.clone())

    def forward(self, images):
        return images.flatten(1) @ self.weight.T


class Halved:
    """An exact manifold: images are half of their latents."""

    exact, raw, name = True, False, "halved"

    def encode(self, images):
        return 2 * images.flatten(1)

    def decode(self, latents):
        return latents.unflatten(1, (1, 2, 2)) / 2


def step(objective="cross_entropy", **edit):
    """A threat of one step of the whole budget."""
    pixel = {"perturbation": "pixel", "start_at": "zero", "boxed": True}
    pixel |= {"epsilon": EPSILON, "step_size": EPSILON, **edit}
    return {"edit": pixel, "objective": {"objective": objective}, "steps": 1}


GENERATOR = {"name": "halved", "generator": "glow"}
ON_MANIFOLD = step(perturbation="latent", generator=GENERATOR, boxed=None)
del ON_MANIFOLD["edit"]["boxed"]


def built(name, **settings):
    return build_recipe({"recipe": name, **settings}, {"halved": Halved()})


def uphill(images, labels):
    """The gradient of the cross-entropy: what is said less what is true, by the weights."""
    said = (images.flatten(1) @ WEIGHT.T).softmax(1)
    true = labels if labels.dim() > 1 else functional.one_hot(labels, 3).float()
    return ((said - true) @ WEIGHT).reshape(images.shape)


def crafted(images, labels):
    return (images + EPSILON * uphill(images, labels).sign()).clamp(0, 1)


def entropy(images, labels):
    """The mean cross-entropy to distributions over classes, by its definition."""
    told = (images.flatten(1) @ WEIGHT.T).log_softmax(1)
    true = labels if labels.dim() > 1 else functional.one_hot(labels, 3).float()
    return -(true * told).sum(1).mean()


def divergence(one, other):
    p = (one.flatten(1) @ WEIGHT.T).softmax(1)
    q = (other.flatten(1) @ WEIGHT.T).softmax(1)
    return (p * (p / q).log()).sum(1)


def same(told, expected):
    return torch.allclose(told, expected, rtol=1e-5, atol=1e-6)


def test_at_takes_the_loss_on_what_the_threat_crafts():
    told = built("at", threat=step()).loss(Linear(), BATCH, rng(0))
    assert same(told, entropy(crafted(IMAGES, LABELS), LABELS))


def test_at_in_l2_goes_straight_uphill_by_the_radius():
    told = built("at", threat=step(norm="l2")).loss(Linear(), BATCH, rng(0))
    gradient = uphill(IMAGES, LABELS).flatten(1)
    direction = gradient / gradient.norm(dim=1, keepdim=True)
    attacked = IMAGES + EPSILON * direction.reshape(IMAGES.shape)
    assert same(told, entropy(attacked, LABELS))


def test_on_manifold_at_steps_in_latent_space():
    """Half a latent is a pixel, so the image moves by half of the latent's budget."""
    told = built("at", threat=ON_MANIFOLD).loss(Linear(), BATCH, rng(0))
    attacked = IMAGES + EPSILON / 2 * uphill(IMAGES, LABELS).sign()
    assert same(told, entropy(attacked, LABELS))


def test_dmat_is_half_the_loss_in_each_space():
    recipe = built("dmat", generator=GENERATOR, image=step(), latent=ON_MANIFOLD)
    told = recipe.loss(Linear(), BATCH, rng(0))
    image = crafted(IMAGES, LABELS)
    latent = IMAGES + EPSILON / 2 * uphill(IMAGES, LABELS).sign()
    assert same(told, (entropy(image, LABELS) + entropy(latent, LABELS)) / 2)


def test_dmat_learns_from_the_projected_images_not_from_the_natural_ones():
    class Projected(Batch):
        def on_manifold(self, generator):
            return self.images / 2

    recipe = built("dmat", generator=GENERATOR, image=step(), latent=ON_MANIFOLD)
    seen = Projected(IMAGES, LABELS)
    told = recipe.loss(Linear(), seen, rng(0))
    expected = recipe.loss(Linear(), Batch(IMAGES / 2, LABELS), rng(0))
    assert same(told, expected)


def test_trades_is_the_clean_loss_and_beta_times_the_divergence():
    """From the clean image itself the divergence has no slope, so a start is given."""
    recipe = built("trades", threat=step("kl", start_at="nearby"), beta=6.0)
    model = Linear()
    attacked = recipe.threat(model, BATCH, rng(0))
    assert ((attacked - IMAGES).abs() <= EPSILON + 1e-6).all()
    assert same((attacked - IMAGES).abs().amax(), torch.tensor(EPSILON))
    told = recipe.loss(model, BATCH, rng(0))
    moved_by = divergence(IMAGES, attacked).mean()
    assert same(told, entropy(IMAGES, LABELS) + 6 * moved_by)
    assert moved_by > divergence(IMAGES, IMAGES - (attacked - IMAGES)).mean() / 2


def test_dmat_trades_has_three_terms():
    """DMAT eq. 11."""
    latent = {**ON_MANIFOLD, "objective": {"objective": "kl"}}
    latent["edit"] = {**latent["edit"], "start_at": "random"}
    parts = {"image": step("kl", start_at="nearby"), "latent": latent}
    recipe = built("dmat_trades", generator=GENERATOR, **parts, beta=6.0)
    draw = rng(0)
    image = recipe.image(Linear(), BATCH, draw)
    latent = recipe.latent(Linear(), BATCH, draw)
    sides = divergence(IMAGES, image).mean() + divergence(IMAGES, latent).mean()
    told = recipe.loss(Linear(), BATCH, rng(0))
    assert same(told, entropy(IMAGES, LABELS) + 6 * sides)


def test_mart_weighs_the_divergence_by_what_the_clean_image_lacks():
    recipe = built("mart", threat=step(), beta=5.0)
    attacked = crafted(IMAGES, LABELS)
    own = (IMAGES.flatten(1) @ WEIGHT.T).softmax(1)[range(4), LABELS]
    told_of = (attacked.flatten(1) @ WEIGHT.T).softmax(1)
    wrong = [
        max(p for k, p in enumerate(row) if k != y)
        for row, y in zip(told_of.tolist(), LABELS.tolist(), strict=True)
    ]
    boost = sum(-math.log(1.0001 - p + 1e-12) for p in wrong) / 4
    weighed = (divergence(IMAGES, attacked) * (1.0000001 - own)).mean()
    expected = entropy(attacked, LABELS) + boost + 5 * weighed
    assert same(recipe.loss(Linear(), BATCH, rng(0)), expected)


def drawn(seed):
    stream = rng(seed, "logits")
    logits = [3 * stream.normal([64, 10]).double() for _ in range(2)]
    return *logits, stream.integers(0, 10, [64])


@pytest.mark.parametrize("seed", [0, 1])
def test_trades_divergence_is_the_published_one(seed):
    """As trades.py has it: the summed divergence over the number of images."""
    clean, attacked, _ = drawn(seed)
    summed = nn.KLDivLoss(reduction="sum")
    expected = summed(attacked.log_softmax(1), clean.softmax(1)) / len(clean)
    assert torch.allclose(kl(clean, attacked), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_mart_s_loss_is_the_published_one(seed):
    """As mart.py has it, line by line."""
    clean, attacked, labels = drawn(seed)
    likely = attacked.softmax(1)
    best = likely.argsort(dim=1)[:, -2:]
    other = torch.where(best[:, -1] == labels, best[:, -2], best[:, -1])
    expected = functional.cross_entropy(attacked, labels) + functional.nll_loss(
        torch.log(1.0001 - likely + 1e-12), other
    )
    assert torch.allclose(boosted_cross_entropy(attacked, labels), expected, rtol=1e-12)
    each = nn.KLDivLoss(reduction="none")
    expected = each((likely + 1e-12).log(), clean.softmax(1)).sum(1)
    # Its 1e-12 keeps a logarithm finite, which ours is without.
    assert torch.allclose(kl_of_each(clean, attacked), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["trades", "mart"])
def test_whole_losses_are_the_published_ones_in_float64(name):
    """As docs/methods/baselines.md#trades and #mart, sums and weights included."""
    model, batch = Linear().double(), Batch(IMAGES.double(), LABELS)
    recipe = built(name, threat=step("kl", start_at="nearby"), beta=6.0)
    attacked = recipe.threat(model, batch, rng(0))
    clean, moved_to = model(batch.images).softmax(1), model(attacked).softmax(1)
    each = (clean * (clean.log() - moved_to.log())).sum(1)
    if name == "trades":
        natural = functional.nll_loss(clean.log(), LABELS)
        expected = natural + 6 * each.sum() / 4
    else:
        true = functional.one_hot(LABELS, 3).bool()
        wrong = moved_to.masked_fill(true, 0).amax(1)
        boosted = -moved_to[true].log() - (1.0001 - wrong + 1e-12).log()
        expected = (boosted + 6 * each * (1.0000001 - clean[true])).sum() / 4
    told = recipe.loss(model, batch, rng(0))
    assert told.dtype == torch.float64
    assert torch.allclose(told, expected, rtol=1e-12)


def test_a_mixture_s_loss_is_the_mixed_loss_of_both_labels():
    """IJSAT eq. 5, and line 9 of its Algorithm 1."""
    other, share = torch.tensor([1, 2, 3, 0]), torch.tensor([0.3])
    mixture = mixed(BATCH, other, share, classes=3)
    assert same(mixture.images, 0.3 * IMAGES + 0.7 * IMAGES[other])
    model = Linear()
    told = functional.cross_entropy(model(mixture.images), mixture.labels)
    one, two = (entropy(mixture.images, y) for y in (LABELS, LABELS[other]))
    assert same(told, 0.3 * one + 0.7 * two)


def test_mixup_learns_from_mixtures_of_one_share_a_batch():
    recipe, draw = built("mixup", classes=3), rng(4)
    other, share = draw.permutation(4), draw.beta(1, 1)
    told = recipe.loss(Linear(), recipe.prepare(BATCH, rng(4)), rng(0))
    mixture = share * IMAGES + (1 - share) * IMAGES[other]
    one, two = (entropy(mixture, labels) for labels in (LABELS, LABELS[other]))
    assert same(told, share * one + (1 - share) * two)


def test_robust_mixup_attacks_the_mixture_by_both_labels():
    """The attack raises the mixed loss too (IJSAT eq. 6), here by one signed step."""
    recipe = built("ijsat", threat=step(), classes=3, tau=1.0)
    mixture = recipe.prepare(BATCH, rng(4))
    attacked = crafted(mixture.images, mixture.labels)
    told = recipe.loss(Linear(), mixture, rng(0))
    assert same(told, entropy(attacked, mixture.labels))
    likeliest = crafted(mixture.images, mixture.classes)
    assert not same(attacked, likeliest), "one label alone would craft another image"


def test_a_joint_attack_of_a_mixture_climbs_by_both_labels_in_both_spaces():
    """IJSAT eq. 8, 10: one backward pass moves latents and pixels, each by its budget."""
    pixel = {**step()["edit"], "boxed": False}
    together = {"perturbation": "together", "parts": [ON_MANIFOLD["edit"], pixel]}
    recipe = built("ijsat", threat={**step(), "edit": together}, classes=3, tau=1.0)
    mixture = recipe.prepare(BATCH, rng(4))
    uphill_of_both = uphill(mixture.images, mixture.labels).sign()
    attacked = (mixture.images + 1.5 * EPSILON * uphill_of_both).clamp(0, 1)
    told = recipe.loss(Linear(), mixture, rng(0))
    assert same(told, entropy(attacked, mixture.labels))


def test_iat_attacks_first_and_mixes_both_halves_by_shares_of_their_own():
    recipe, draw = built("iat", threat=step(), classes=3), rng(5)
    told = recipe.loss(Linear(), BATCH, rng(5))
    expected = 0.0
    attacked = crafted(IMAGES, LABELS)
    for images, partner in ((attacked, [1, 0, 3, 2]), (IMAGES, [2, 3, 0, 1])):
        share = draw.beta(1, 1)
        mixture = share * images + (1 - share) * images[partner]
        one, two = (entropy(mixture, labels) for labels in (LABELS, LABELS[partner]))
        expected += 0.5 * (share * one + (1 - share) * two)
    assert same(told, expected)


def test_at_with_mixup_has_no_clean_half():
    recipe, draw = built("iat", threat=step(), classes=3, clean=0.0), rng(5)
    attacked = moved(BATCH, crafted(IMAGES, LABELS))
    share = draw.beta(1, 1)
    mixture = mixed(attacked, torch.tensor([1, 0, 3, 2]), share, 3)
    told = recipe.loss(Linear(), BATCH, rng(5))
    assert same(told, entropy(mixture.images, mixture.labels))


def test_parts_of_a_batch_are_mixed_as_the_whole_is():
    """Pairs of pairs stay with one process, and all processes draw one share."""
    batch = Batch(
        torch.rand(8, 1, 2, 2, generator=rng(0).generator), torch.arange(8) % 3
    )
    recipe = built("iat", threat=step(), classes=3)
    whole = recipe.loss(Linear(), batch, rng(1))
    parts = [
        recipe.loss(Linear(), batch.take(rows), PartRng(rng(1), 8, rows))
        for rows in (slice(0, 4), slice(4, 8))
    ]
    assert same(sum(parts) / 2, whole)


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_neighbours_are_rows_of_the_batch(count):
    batch = Batch(torch.zeros(count, 1, 2, 2), torch.zeros(count))
    for distance in (1, 2):
        rows = neighbours(batch, distance)
        assert len(rows) == count
        assert rows.max() < count


def test_cutout_covers_a_square_with_the_mean_colour():
    images = rng(0).uniform([40, 3, 9, 9])
    cut = built("cutout", side=4).prepare(Batch(images, torch.zeros(40)), rng(1))
    colour = images.mean(dim=(0, 2, 3)).reshape(1, 3, 1, 1)
    covered = (cut.images != images).all(dim=1)
    assert same(cut.images, torch.where(covered[:, None], colour, images))
    for mask in covered:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        sides = [int(at.max() - at.min()) + 1 for at in (rows, columns)]
        assert all(2 <= side <= 4 for side in sides), "less of it is left at an edge"
        assert mask.sum() == sides[0] * sides[1]
    assert covered.sum(dim=(1, 2)).max() == 16


def test_the_start_nearby_is_near():
    threat = step("kl", start_at="nearby") | {"steps": 0}
    images = torch.full((500, 1, 2, 2), 0.5)
    batch = Batch(images, torch.zeros(500, dtype=torch.long))
    attacked = build_threat(ThreatSpec(**threat), {})(Linear(), batch, rng(0))
    assert (attacked - images).std() == pytest.approx(0.001, rel=0.05)


def test_adversarial_la_raises_the_loss_of_what_is_predicted():
    """Even where that is wrong: the label is not looked at."""
    wrong = replace(BATCH, labels=(LABELS + 1) % 3)
    threat = build_threat(ThreatSpec(**step("prediction")), {})
    predicted = Linear()(IMAGES).argmax(1)
    assert same(threat(Linear(), wrong, rng(0)), crafted(IMAGES, predicted))
