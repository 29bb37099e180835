"""How schemes of adversarial training move points in the plane."""

from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from torch import Tensor, nn

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.rng import rng
from pipeline_steps.papers import points
from pipeline_steps.papers.points import STANDARD
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import BLUE, GREY, INK, VERMILLION, heading
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import logits_of

COLOURS, MARKERS = (BLUE, VERMILLION), ("o", "^")
PERTURBED = ("original", "PGD", "TRADES", "Feature Scattering", "LMAE")
# The number of points along a side at which a network is evaluated.
GRID = 200


class DecisionBoundaries:
    """Points as each scheme perturbs them, and below them what the scheme learns.

    It needs no other results: the five networks are trained while it is drawn.
    """

    shows = ""

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        prepare_device()  # for one thread, and the same sums each time
        clean, recipes = points.moons(), points.recipes()
        models = {name: points.trained(name, r, clean) for name, r in recipes.items()}
        figure = Figure(figsize=(10, 4.6))
        heading(figure, spec)
        grid = figure.subplots(2, len(recipes), sharex=True, sharey=True)
        letters = iter("abcdefghijklmnopqrstuvwxyz")
        for axes, name, recipe in zip(
            grid[0], PERTURBED, recipes.values(), strict=True
        ):
            _boundary(axes, models[STANDARD])
            seen = points.seen_by(recipe, models[STANDARD], clean)
            _scatter(axes, seen, clean.labels)
            axes.set_title(f"({next(letters)}) {name}")
        pgd = recipes["AT"].threat
        for axes, (name, model) in zip(grid[1], models.items(), strict=True):
            _boundary(axes, model)
            _scatter(axes, clean.images, clean.labels)
            attacked = pgd(model, clean, rng(points.SEED, "judged", name))
            accuracies = (
                _accuracy(model, clean.images, clean),
                _accuracy(model, attacked, clean),
            )
            axes.set_title(f"({next(letters)}) {name}")
            axes.set_xlabel(
                "{:.1f} %, under PGD {:.1f} %".format(*accuracies), color=GREY
            )
        grid[0, 0].set_ylabel("perturbed, with the\nboundary of (f)", color=GREY)
        grid[1, 0].set_ylabel("what is learned", color=GREY)
        return figure


def _boundary(axes: Axes, model: nn.Module) -> None:
    """Draws the class that a network gives to each point, and the boundary."""
    side = torch.linspace(0, 1, GRID)
    rows, columns = torch.meshgrid(side, side, indexing="ij")
    places = torch.stack([columns.flatten(), rows.flatten()], 1)[:, :, None, None]
    logits = logits_of(model, places)
    second = (logits[:, 1] - logits[:, 0]).view(GRID, GRID).numpy()
    pale = [to_rgba(colour, 0.15) for colour in COLOURS]
    axes.contourf(side, side, second, levels=[-1e9, 0, 1e9], colors=pale)
    axes.contour(side, side, second, levels=[0], colors=[INK], linewidths=1.2)


def _scatter(axes: Axes, places: Tensor, labels: Tensor) -> None:
    for label, (colour, marker) in enumerate(zip(COLOURS, MARKERS, strict=True)):
        own = places[labels == label, :, 0, 0]
        axes.plot(
            *own.T.numpy(),
            color=colour,
            linestyle="none",
            marker=marker,
            markersize=2.6,
            markeredgewidth=0,
        )
    axes.set(xlim=(0, 1), ylim=(0.1, 0.9), xticks=[], yticks=[], aspect="equal")


def _accuracy(model: nn.Module, places: Tensor, clean: Batch) -> float:
    right = logits_of(model, places).argmax(1) == clean.labels
    return 100 * float(right.float().mean())
