"""What attacks make of the same images to fool one defense and another."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.papers.pictures import (
    Arrays,
    bare,
    grid_of,
    magnified,
    name_columns,
    name_row,
    read_pictures,
    say_verdict,
    sheet,
    show,
)
from pipeline_steps.papers.spec import FigureSpec


class ComparedDefenses:
    """The parts are attacks, the labels defenses, beside the original images.

    Beneath each attacked image is how far it was moved, brighter where farther; all of
    one attack are magnified alike, so that defenses can be compared.
    """

    shows = "examples"

    def __init__(self, magnify: Positive = 10, images: Count = 2) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        rows = 2 * len(blocks[0]["label"])
        parts, labels, cells = grid_of(spec.panels, blocks)
        figure, grid = sheet(spec, rows * len(parts), 1 + len(labels), row=0.98)
        name_columns(grid, ["original", *labels])
        for axes in grid.flat:
            bare(axes)
        for i, part in enumerate(parts):
            members = {j: block for (row, j), block in cells.items() if row == i}
            self._attack(grid[rows * i : rows * (i + 1)], part, members)
        return figure

    def _attack(self, grid: np.ndarray, part: str, members: dict[int, Arrays]) -> None:
        moves = {j: np.abs(b["edited"] - b["original"]) for j, b in members.items()}
        factor = magnified(np.stack([*moves.values()]), self.magnify, room=1)
        originals = next(iter(members.values()))["original"]
        for image, original in enumerate(originals):
            attacked, moved = grid[2 * image : 2 * image + 2]
            name_row(attacked[0], part)
            name_row(moved[0], f"difference\n× {factor:g}")
            show(attacked[0], original)
            for j, block in members.items():
                show(attacked[1 + j], block["edited"][image])
                show(moved[1 + j], factor * moves[j][image])
                say_verdict(
                    attacked[1 + j],
                    block["label"][image],
                    block["prediction"][image],
                )
