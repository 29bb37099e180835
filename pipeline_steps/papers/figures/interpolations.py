"""What lies on a manifold between two images of a data set."""

from pathlib import Path

from matplotlib.figure import Figure

from pipeline_steps.core.arrays import read_named
from pipeline_steps.papers.pictures import show_row
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import heading


class Interpolations:
    """A row for each pair of images, on a line between their latents."""

    shows = "manifold"

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = [read_named(path)["between"] for path in files]
        pairs, stations = blocks[0].shape[:2]
        rows = pairs * len(blocks)
        figure = Figure(figsize=(1.6 + 0.8 * stations, 0.9 + 0.85 * rows))
        heading(figure, spec)
        grid = figure.subplots(rows, stations, squeeze=False)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            for j, row in enumerate(block):
                show_row(grid[i * pairs + j], "" if j else panel.label, row)
        return figure
