"""The levels of a latent vector, attacked one at a time, with several budgets."""

from pathlib import Path

from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.papers.pictures import magnified, read_pictures, show
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import GREY, heading


class AttackedLevels:
    """A column for each attack; each image is above its magnified difference."""

    shows = "examples"

    def __init__(self, magnify: Positive = 10, images: Count = 3) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        originals = blocks[0]["original"]
        count = len(originals)
        figure = Figure(figsize=(0.4 + 0.85 * (1 + len(blocks)), 1.3 + 1.7 * count))
        heading(figure, spec)
        grid = figure.subplots(2 * count, 1 + len(blocks), squeeze=False)
        for row, original in enumerate(originals):
            show(grid[2 * row, 0], original)
            grid[2 * row + 1, 0].axis("off")
        grid[0, 0].set_title("original", fontsize=9.5, color=GREY)
        for axes, panel, block in zip(grid.T[1:], spec.panels, blocks, strict=True):
            differences = block["edited"] - originals
            factor = magnified(differences, self.magnify, room=0.5)
            for row in range(count):
                show(axes[2 * row], block["edited"][row])
                show(axes[2 * row + 1], 0.5 + factor * differences[row])
            axes[0].set_title(panel.label.replace(", ", "\n"), fontsize=9.5, color=GREY)
            axes[-1].set_xlabel(f"× {factor:g}", fontsize=9.5, color=GREY)
        return figure
