"""How attacks edit the same images to fool different defenses."""

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
    """A row for each part, an attack; for each image the labels, defenses, beside it.

    Beneath each attacked image is how far it was moved, brighter where farther; all of
    one attack are magnified alike, so that defenses can be compared.
    """

    shows = "examples"

    def __init__(self, magnify: Positive = 10, images: Count = 2) -> None:
        self.magnify, self.images = magnify, images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = read_pictures(files, self.images)
        parts, labels, cells = grid_of(spec.panels, blocks)
        columns = ["original", *labels]
        count = len(blocks[0]["label"])
        figure, grid = sheet(spec, 2 * len(parts), count * len(columns), row=0.98)
        name_columns(grid, count * columns)
        for axes in grid.flat:
            bare(axes)
        for i, part in enumerate(parts):
            members = {1 + j: block for (row, j), block in cells.items() if row == i}
            self._attack(grid[2 * i : 2 * i + 2], part, members, len(columns))
        return figure

    def _attack(
        self, rows: np.ndarray, part: str, members: dict[int, Arrays], columns: int
    ) -> None:
        moves = {j: np.abs(b["edited"] - b["original"]) for j, b in members.items()}
        factor = magnified(np.stack([*moves.values()]), self.magnify, room=1)
        name_row(rows[0, 0], part)
        name_row(rows[1, 0], f"difference\n× {factor:g}")
        for j, block in members.items():
            for image, original in enumerate(block["original"]):
                attacked, moved = rows[:, columns * image : columns * (image + 1)]
                show(attacked[0], original)
                show(attacked[j], block["edited"][image])
                show(moved[j], factor * moves[j][image])
                say_verdict(
                    attacked[j], block["label"][image], block["prediction"][image]
                )
