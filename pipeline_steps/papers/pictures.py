"""Rows of images, as figures show them."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.core.arrays import read_named
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREEN, GREY, VERMILLION, heading

Arrays = dict[str, np.ndarray]

# The inches that a picture takes with its margin.
COLUMN = 0.85


def read_pictures(files: Sequence[Path], images: int) -> list[Arrays]:
    """What each file holds of the first so many images, or as many as all of them have."""
    blocks = [read_named(path) for path in files]
    count = min([images, *(len(block["original"]) for block in blocks)])
    return [{name: a[:count] for name, a in block.items()} for block in blocks]


def sheet(
    spec: FigureSpec, rows: int, columns: int, names: float = 1.6, row: float = 0.88
) -> tuple[Figure, np.ndarray]:
    """A figure with so many pictures; its names and its rows take so many inches."""
    figure = Figure(figsize=(names + COLUMN * columns, 0.9 + row * rows))
    heading(figure, spec)
    return figure, figure.subplots(rows, columns, squeeze=False)


def show_row(row: np.ndarray, name: str, images: np.ndarray) -> None:
    """One row of images, [N, 3, H, W] in [0, 1], with its name at the left."""
    for axes, image in zip(row, images, strict=True):
        show(axes, image)
    name_row(row[0], name)


def name_row(first: Axes, name: str) -> None:
    first.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6, color=GREY)


def show_difference(row: np.ndarray, differences: np.ndarray, magnify: float) -> None:
    """One row of differences around grey, magnified as far as nothing is cut off."""
    factor = magnified(differences, magnify, room=0.5)
    show_row(row, f"difference\n× {factor:g}", 0.5 + factor * differences)


def magnified(differences: np.ndarray, magnify: float, room: float) -> float:
    """By how much differences may be magnified so that the largest still has room."""
    largest = max(float(np.abs(differences).max()), 1e-12)
    # Halves, so that the number that stands beside the row is the one that was used.
    return float(min(magnify, max(1.0, np.floor(2 * room / largest) / 2)))


def show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(np.clip(image, 0, 1).transpose(1, 2, 0))
    bare(axes)


def bare(axes: Axes) -> None:
    """Nothing but what is drawn inside, and names."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def say_verdict(axes: Axes, label: int, prediction: int, more: str = "") -> None:
    """Beneath an image, what the defense says of it."""
    fooled = label != prediction
    text = f"✗ {label}, said {prediction}" if fooled else f"✓ {label}"
    colour = VERMILLION if fooled else GREEN
    axes.set_xlabel(text + more, color=colour, fontsize=7.5, labelpad=2)


def grid_of(
    panels: Sequence[Panel], blocks: Sequence[Arrays]
) -> tuple[list[str], list[str], dict[tuple[int, int], Arrays]]:
    """Parts are rows and labels are columns; what lies where, for some may be left out."""
    parts = [*dict.fromkeys(panel.part or "" for panel in panels)]
    labels = [*dict.fromkeys(panel.label for panel in panels)]
    places = [(parts.index(p.part or ""), labels.index(p.label)) for p in panels]
    return parts, labels, dict(zip(places, blocks, strict=True))


def name_columns(grid: np.ndarray, labels: Sequence[str]) -> None:
    for axes, label in zip(grid[0], labels, strict=True):
        lines = textwrap.wrap(label, 12, break_on_hyphens=False)
        axes.set_title("\n".join(lines), fontsize=8, color=GREY)
