"""What several attacks make of the same images, beneath the originals."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.papers.figures.attacked_images import show_difference, show_row
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import heading


class ComparedAttacks:
    """Originals once, and for each attack its images and the magnified difference."""

    shows = "examples"

    def __init__(self, magnify: Positive = 10, images: Count = 6) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = [read_tensors(path) for path in files]
        count = min(self.images, *(len(block["label"]) for block in blocks))
        originals = blocks[0]["original"].numpy()[:count]
        rows = 1 + 2 * len(blocks)
        figure = Figure(figsize=(2.2 + 0.85 * count, 0.9 + 0.88 * rows))
        heading(figure, spec)
        grid = figure.subplots(rows, count, squeeze=False)
        show_row(grid[0], "original", originals)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            edited: np.ndarray = block["edited"].numpy()[:count]
            show_row(grid[2 * i + 1], panel.label, edited)
            show_difference(grid[2 * i + 2], edited - originals, self.magnify)
        return figure
