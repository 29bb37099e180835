"""Points in the plane, and what adversarial training makes of them (ATLD, figure 1).

A point is an image of one pixel with two channels: what perturbs it and what learns from
it are the threats and recipes of all other trainings. The paper states no setting, so all
of them are ours.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.core.rng import BatchRng, rng
from pipeline_steps.core.seeds import derive
from pipeline_steps.defenses.companion import Companion, own_parameters
from pipeline_steps.defenses.recipes.at import At
from pipeline_steps.defenses.recipes.atld import Atld
from pipeline_steps.defenses.recipes.feature_scattering import FeatureScattering
from pipeline_steps.defenses.recipes.normal import Normal
from pipeline_steps.defenses.recipes.trades import Trades
from pipeline_steps.defenses.smoothing import smoothed
from pipeline_steps.defenses.spec import Schedule
from pipeline_steps.defenses.tutor import Tutor, tutor_of
from pipeline_steps.threats.attacks.ascent import Ascent
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import logits_of
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.objectives.cross_entropy import CrossEntropy
from pipeline_steps.threats.objectives.discriminator import Discriminator
from pipeline_steps.threats.objectives.kl import Kl
from pipeline_steps.threats.objectives.optimal_transport import OptimalTransport
from pipeline_steps.threats.perturbations.pixel import Pixel
from pipeline_steps.threats.threat import Threat

STANDARD = "standard"
SEED, POINTS, CLASSES = 0, 400, 2
EPSILON, NOISE = 0.07, 0.012
STEPS, BATCH, RATE = 300, 64, 0.1
WIDTH, ENLARGED = 64, 8
COMPANIONS = Schedule(epochs=1, batch=BATCH, learning_rate=RATE)
# Half of each label, as on images, would leave nothing to learn from two classes.
SMOOTHING = 0.1


class Classifier(nn.Module):
    """A few layers on the points, enlarged so that they learn in seconds."""

    companion: Any

    def __init__(self) -> None:
        super().__init__()
        self.layers = _layers(CLASSES)

    def forward(self, points: Tensor) -> Tensor:
        answer: Tensor = self.layers(ENLARGED * (points - 0.5))
        return answer


def _layers(answers: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(derive(SEED, "weights", answers))
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(2, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, answers),
        )


def moons() -> Batch:
    """Two half circles, each around an end of the other, in [0, 1]²."""
    draw = rng(SEED, "points")
    angles = math.pi * draw.uniform([POINTS])
    labels = torch.arange(POINTS) % CLASSES
    sides = 1.0 - 2 * labels
    columns = sides * angles.cos() + labels - 0.5
    rows = sides * (angles.sin() - 0.25)
    places = 0.5 + 0.26 * torch.stack([columns, rows], 1)
    places = (places + NOISE * draw.normal(places.shape)).clamp(0, 1)
    return Batch(places[:, :, None, None], labels)


def recipes() -> dict[str, Any]:
    """The five schemes, by name; what a scheme perturbs with is its `threat`."""
    return {
        STANDARD: Normal(),
        "AT": At(_threat(CrossEntropy(), 10)),
        "TRADES": Trades(_threat(Kl(), 10)),
        "Feature Scattering": FeatureScattering(
            _threat(OptimalTransport(), 1), CLASSES, SMOOTHING
        ),
        # As the paper prints it: what its code does instead is unsteady on points.
        "ATLD": Atld(_threat(Discriminator(), 1), CLASSES, SMOOTHING, "discriminator"),
    }


def _threat(objective: Objective, steps: int) -> Threat:
    """In many small steps, or in one as large as the budget."""
    size = EPSILON if steps == 1 else EPSILON / 4
    return Threat(Ascent(Pixel(epsilon=EPSILON, step_size=size), objective, steps))


def trained(name: str, recipe: Any, points: Batch) -> Classifier:
    """A small network that has learned from the points by a recipe."""
    model = Classifier()
    if isinstance(recipe, Atld):
        model.companion = Companion(_layers(1 + CLASSES))
    optimiser = torch.optim.SGD(own_parameters(model), lr=RATE, momentum=0.9)
    tutor = tutor_of(model, recipe, COMPANIONS)
    for step, batch, draw in _course(points, name):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        loss = recipe.loss(model, batch, draw)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if tutor:
            tutor.teach()
    return model


def seen_by(recipe: Any, model: Classifier, points: Batch) -> Tensor:
    """The points as a recipe perturbs them, against a model that was trained without."""
    if isinstance(recipe, Normal):
        return points.images
    if isinstance(recipe, Atld):
        model = _watched(model, recipe, points)
    perturbed: Tensor = recipe.threat(model, points, rng(SEED, "seen"))
    return perturbed


def _watched(model: Classifier, recipe: Atld, points: Batch) -> Classifier:
    """The same model with a discriminator, which alone learned from its logits."""
    model = copy.deepcopy(model)
    model.companion = Companion(_layers(1 + CLASSES))
    tutor = Tutor(model.companion, recipe, COMPANIONS)
    for _, batch, draw in _course(points, "watched"):
        attacked = recipe.threat(model, batch, draw)
        labels = smoothed(batch.labels, CLASSES, SMOOTHING)
        logits = logits_of(model, batch.images), logits_of(model, attacked)
        model.companion.show(*logits, labels)
        tutor.teach()
    return model


def _course(points: Batch, name: str) -> Iterator[tuple[int, Batch, BatchRng]]:
    """Each step with its points and what it draws from."""
    for step in range(STEPS):
        draw = rng(SEED, name, step)
        yield step, points.take(draw.permutation(POINTS)[:BATCH]), draw
