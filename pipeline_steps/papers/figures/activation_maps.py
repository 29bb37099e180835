"""Where defenses look in attacked images, side by side (class activation maps)."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count
from pipeline_steps.papers.pictures import (
    Arrays,
    bare,
    grid_of,
    name_columns,
    name_row,
    read_pictures,
    say_verdict,
    sheet,
    show,
)
from pipeline_steps.papers.spec import FigureSpec

# A colour map that works in grey and for the colour-blind: from dark (none) to bright
# (most).
COLOURS = "inferno"
COVER = 0.55


class ActivationMaps:
    """A row for each part, and for each image a column for each label: map over image.

    Bright places speak for the class that the defense says, which stands beneath with
    its confidence.
    """

    shows = "cam"

    def __init__(self, images: Count = 1) -> None:
        self.images = images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        count = len(blocks[0]["label"])
        parts, labels, cells = grid_of(spec.panels, blocks)
        figure, grid = sheet(spec, len(parts), count * len(labels), row=1.1)
        name_columns(grid, count * labels)
        for axes in grid.flat:
            bare(axes)
        for part, row in zip(parts, grid, strict=True):
            name_row(row[0], part)
        for (i, j), block in cells.items():
            for image, axes in enumerate(grid[i, j :: len(labels)]):
                _map(axes, block, image)
        return figure


def _map(axes: Axes, block: Arrays, image: int) -> None:
    show(axes, block["edited"][image])
    axes.imshow(block["map"][image], cmap=COLOURS, vmin=0, vmax=1, alpha=COVER)
    label, prediction = (int(block[key][image]) for key in ("label", "prediction"))
    say_verdict(axes, label, prediction, f"\n{100 * block['confidence'][image]:.0f} %")
