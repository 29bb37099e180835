"""What spatial attacks of growing budget do to a model, and to images."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from pipeline_steps.core.arrays import read_named
from pipeline_steps.core.settings import Count
from pipeline_steps.papers.bands import SHADE, legend_below
from pipeline_steps.papers.figures.accuracy_by_budget import draw_lines
from pipeline_steps.papers.pictures import show_row
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREY, heading


class SpatialBudgets:
    """Accuracy against budget, a line for each number of steps; beside it the images."""

    shows = "verdicts examples"

    def __init__(self, images: Count = 5) -> None:
        self.images = images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        figure = Figure(figsize=(10, 4.6))
        heading(figure, spec)
        halves = figure.add_gridspec(1, 2, width_ratios=(1, 1.15))
        axes = figure.add_subplot(halves[0])
        shown = list(zip(spec.panels, files, strict=True))
        lines = [(panel, path) for panel, path in shown if panel.what == "verdicts"]
        draw_lines(axes, lines, list(dict.fromkeys(p.label for p, _ in lines)))
        axes.set(xlabel="spatial budget (pixels)", ylabel="accuracy (%)", ylim=(0, 102))
        axes.set_title("(a) accuracy", loc="left")
        legend_below(figure, axes, SHADE)
        self._sheet(halves[1], [pair for pair in shown if pair[0].what == "examples"])
        return figure

    def _sheet(self, half: SubplotSpec, shown: list[tuple[Panel, Path]]) -> None:
        """A column of images for each budget."""
        blocks = [read_named(path)["edited"] for _, path in shown]
        count = min(self.images, *map(len, blocks))
        grid = half.subgridspec(count, len(blocks)).subplots(squeeze=False)
        for column, (panel, _), images in zip(grid.T, shown, blocks, strict=True):
            show_row(column, "", images[:count])
            column[0].set_title(f"{panel.at:g}", color=GREY, fontsize=9)
        grid[0, 0].set_title(f"(b) {shown[0][0].at:g} px", color=GREY, fontsize=9)
