"""Where defenses look in attacked images, side by side (class activation maps)."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count
from pipeline_steps.papers.pictures import (
    Arrays,
    grid_of,
    name_row,
    read_pictures,
    say_verdict,
    sheet,
    show,
)
from pipeline_steps.papers.spec import FigureSpec

MAP = "inferno"
COVER = 0.6


class ActivationMaps:
    """A row for each part and image, a column for each label: the map over the image.

    Bright places speak for the class that is said beneath, with the confidence in it.
    """

    shows = "cam"

    def __init__(self, images: Count = 1) -> None:
        self.images = images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        count = len(blocks[0]["label"])
        parts, labels, cells = grid_of(spec.panels, blocks)
        figure, grid = sheet(spec, count * len(parts), len(labels), row=1.05)
        for axes, label in zip(grid[0], labels, strict=True):
            axes.set_title(label, fontsize=8)
        for axes in grid.flat:
            axes.set_axis_off()
        for (row, column), block in cells.items():
            for image in range(count):
                _map(grid[count * row + image, column], block, image)
        for i, part in enumerate(parts):
            name_row(grid[count * i], part)
        return figure
