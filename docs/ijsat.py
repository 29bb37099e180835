"""Draws how IJSAT trains on a pair of images: python -m docs.ijsat"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from pipeline_steps.papers.style import BLUE, GREEN, GREY, INK, VERMILLION, look, save

PLACE = Path(__file__).parent / "pictures/ijsat.svg"

# What stands where, from left to right, and whose it is.
BOXES = [
    (0.0, "two images\nx₁, x₂\nand their labels", INK),
    (1.0, "Robust Mixup\nx = IM(x₁, x₂)", INK),
    (2.0, "flow, backwards\nz = g⁻¹(x)", GREEN),
    (3.0, "moved latents\nz + λ\n|λ| ≤ η", VERMILLION),
    (4.0, "flow\ng(z + λ)", GREEN),
    (5.0, "moved pixels\ng(z + λ) + δ\n|δ| ≤ ε", VERMILLION),
    (6.0, "classifier f\nCE to IM(y₁, y₂)", BLUE),
]
WIDE, HIGH, STEP = 1.5, 0.86, 1.78
ARROW: dict[str, Any] = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0}


def box(axes: Axes, column: float, text: str, colour: str) -> None:
    corner = (column * STEP - WIDE / 2, -HIGH / 2)
    shape = "round,pad=0,rounding_size=0.08"
    look: dict[str, Any] = {"facecolor": "white", "edgecolor": colour, "linewidth": 1.6}
    axes.add_patch(FancyBboxPatch(corner, WIDE, HIGH, boxstyle=shape, **look))
    axes.text(column * STEP, 0, text, ha="center", va="center", fontsize=8)


def ascent(axes: Axes, column: int, rise: float, text: str) -> None:
    """Back from the classifier's loss to what the attack moves."""
    end, start = column * STEP, BOXES[-1][0] * STEP + 0.3 * (1 - 2 * (column > 3))
    line: dict[str, Any] = {"color": VERMILLION, "linestyle": "--", "linewidth": 1.3}
    axes.plot([start, start, end], [HIGH / 2, rise, rise], **line)
    arrow = {**ARROW, **line}
    axes.annotate("", (end, HIGH / 2), (end, rise), arrowprops=arrow)
    axes.text(end + 0.1, rise + 0.05, text, color=VERMILLION, fontsize=8)


def drawn() -> Figure:
    figure = Figure(figsize=(9.6, 2.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.85, 6 * STEP + 0.85), ylim=(-1.05, 1.75))
    axes.set_axis_off()
    for place in BOXES:
        box(axes, *place)
    for (left, *_), (right, *_) in pairwise(BOXES):
        ends = (right * STEP - WIDE / 2, 0), (left * STEP + WIDE / 2, 0)
        axes.annotate("", *ends, arrowprops={**ARROW, "color": GREY})
    ascent(axes, 3, 1.35, "λ up the loss, on the manifold")
    ascent(axes, 5, 0.85, "δ up the same loss")
    axes.text(
        4 * STEP,
        -0.82,
        "one backward pass a step moves λ and δ; after ten steps f learns from the image",
        ha="center",
        fontsize=8,
        color=GREY,
    )
    return figure


if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    with look():
        save(drawn(), PLACE)
