"""The same images under several attacks, below the originals."""

from pathlib import Path

from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.papers.pictures import (
    read_pictures,
    sheet,
    show_difference,
    show_row,
)
from pipeline_steps.papers.spec import FigureSpec


class ComparedAttacks:
    """Originals once, and for each attack its images and the magnified difference."""

    shows = "examples"

    def __init__(self, magnify: Positive = 10, images: Count = 6) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        originals = blocks[0]["original"]
        figure, grid = sheet(spec, 1 + 2 * len(blocks), len(originals), names=2.2)
        show_row(grid[0], "original", originals)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            show_row(grid[2 * i + 1], panel.label, block["edited"])
            show_difference(grid[2 * i + 2], block["edited"] - originals, self.magnify)
        return figure
