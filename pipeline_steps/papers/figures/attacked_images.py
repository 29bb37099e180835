"""What an attack does to images, and what a defense then says of them."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREEN, GREY, VERMILLION, heading


class AttackedImages:
    """Originals, their attacked versions and the magnified difference, row by row."""

    shows = "examples"

    def __init__(self, magnify: Positive = 10, images: Count = 8) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = [read_tensors(path) for path in files]
        count = min(self.images, *(len(block["label"]) for block in blocks))
        figure = Figure(figsize=(1.3 + 0.85 * count, 0.9 + 2.9 * len(files)))
        heading(figure, spec)
        grid = figure.subplots(3 * len(files), count, squeeze=False)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            arrays = {name: tensor.numpy()[:count] for name, tensor in block.items()}
            self._block(grid[3 * i : 3 * i + 3], panel, arrays)
        return figure

    def _block(
        self, grid: np.ndarray, panel: Panel, arrays: dict[str, np.ndarray]
    ) -> None:
        show_row(grid[0], "original", arrays["original"])
        show_row(grid[1], panel.label, arrays["edited"])
        show_difference(grid[2], arrays["edited"] - arrays["original"], self.magnify)
        said = zip(grid[1], arrays["label"], arrays["prediction"], strict=True)
        for axes, label, prediction in said:
            fooled = label != prediction
            text = f"✗ {label}, said {prediction}" if fooled else f"✓ {label}"
            colour = VERMILLION if fooled else GREEN
            axes.set_xlabel(text, color=colour, fontsize=7.5, labelpad=2)


def show_difference(row: np.ndarray, differences: np.ndarray, magnify: float) -> None:
    """One row of differences, magnified."""
    shown, factor = magnified(differences, magnify)
    show_row(row, f"difference\n× {factor:g}", shown)


def magnified(differences: np.ndarray, magnify: float) -> tuple[np.ndarray, float]:
    """Differences around grey, magnified as far as nothing is cut off, and how far."""
    largest = float(np.abs(differences).max())
    # Halves, so that the number that stands beside them is the one that was used.
    factor = min(magnify, max(1.0, np.floor(1 / max(largest, 1e-12)) / 2))
    return 0.5 + factor * differences, factor


def show_row(row: np.ndarray, name: str, images: np.ndarray) -> None:
    """One row of images, [N, 3, H, W] in [0, 1], with its name at the left."""
    for axes, image in zip(row, images, strict=True):
        show(axes, image)
    row[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6, color=GREY)


def show(axes: Axes, image: np.ndarray) -> None:
    """One image, [3, H, W] in [0, 1], and nothing around it."""
    axes.imshow(np.clip(image, 0, 1).transpose(1, 2, 0))
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
