"""How well a generator holds a data set: reconstructions, and samples of its own."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.papers.figures.attacked_images import show_difference, show_row
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREY, heading


class ManifoldSheet:
    """Originals, what the generator makes of them, the difference, and samples."""

    shows = "manifold"

    def __init__(self, magnify: Positive = 10, images: Count = 8) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = [read_tensors(path) for path in files]
        count = min(self.images, *(len(block["original"]) for block in blocks))
        figure = Figure(figsize=(1.5 + 0.85 * count, 0.9 + 3.8 * len(files)))
        heading(figure, spec)
        grid = figure.subplots(4 * len(files), count, squeeze=False)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            arrays = {name: tensor.numpy()[:count] for name, tensor in block.items()}
            self._block(grid[4 * i : 4 * i + 4], panel, arrays)
        return figure

    def _block(
        self, grid: np.ndarray, panel: Panel, arrays: dict[str, np.ndarray]
    ) -> None:
        errors = arrays["projected"] - arrays["original"]
        show_row(grid[0], "original", arrays["original"])
        show_row(grid[1], f"through\n{panel.label}", arrays["projected"])
        show_difference(grid[2], errors, self.magnify)
        show_row(grid[3], f"samples of\n{panel.label}", arrays["samples"])
        for axes, error in zip(grid[2], errors, strict=True):
            worst = f"≤ {np.abs(error).max():.1e}"
            axes.set_xlabel(worst, color=GREY, fontsize=7.5, labelpad=2)
