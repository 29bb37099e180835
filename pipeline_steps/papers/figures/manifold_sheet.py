"""How well a generator covers a data set: reconstructions and samples."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.papers.pictures import (
    Arrays,
    read_pictures,
    sheet,
    show_difference,
    show_row,
)
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREY


class ManifoldSheet:
    """Originals, their reconstructions, the difference, and samples."""

    shows = "manifold"

    def __init__(self, magnify: Positive = 10, images: Count = 8) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        count = len(blocks[0]["original"])
        figure, grid = sheet(spec, 4 * len(blocks), count, names=1.5, row=0.95)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            self._block(grid[4 * i : 4 * i + 4], panel, block)
        return figure

    def _block(self, grid: np.ndarray, panel: Panel, arrays: Arrays) -> None:
        errors = arrays["projected"] - arrays["original"]
        show_row(grid[0], "original", arrays["original"])
        show_row(grid[1], f"through\n{panel.label}", arrays["projected"])
        show_difference(grid[2], errors, self.magnify)
        show_row(grid[3], f"samples of\n{panel.label}", arrays["samples"])
        for axes, error in zip(grid[2], errors, strict=True):
            worst = f"up to {np.abs(error).max():.2g}"
            axes.set_xlabel(worst, color=GREY, fontsize=7.5, labelpad=2)
