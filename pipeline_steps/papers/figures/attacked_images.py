"""What an attack does to images, and how a defense then classifies them."""

from pathlib import Path

from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.papers.pictures import (
    read_pictures,
    say_verdict,
    sheet,
    show_difference,
    show_row,
)
from pipeline_steps.papers.spec import FigureSpec


class AttackedImages:
    """Originals, their attacked versions and the magnified difference, row by row."""

    shows = "examples"

    def __init__(self, magnify: Positive = 10, images: Count = 8) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        count = len(blocks[0]["label"])
        figure, grid = sheet(spec, 3 * len(blocks), count, names=1.3, row=0.97)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            original, attacked, difference = grid[3 * i : 3 * i + 3]
            show_row(original, "original", block["original"])
            show_row(attacked, panel.label, block["edited"])
            show_difference(
                difference, block["edited"] - block["original"], self.magnify
            )
            for said in zip(attacked, block["label"], block["prediction"], strict=True):
                say_verdict(*said)
        return figure
