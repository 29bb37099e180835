"""From where a spatial attack fetches the pixels of images."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.core.arrays import read_named
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Count
from pipeline_steps.papers.pictures import show_row
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import GREEN, GREY, INK, VERMILLION, heading

# The number of arrows along a side, few enough that each is distinct.
ARROWS = 16


class FlowFields:
    """Originals, attacked images and the flow between them, row by row."""

    shows = "examples"

    def __init__(self, images: Count = 6) -> None:
        self.images = images

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        blocks = [read_named(path) for path in files]
        for path, block in zip(files, blocks, strict=True):
            if "flow" not in block:
                raise PipelineError(
                    f"{path} has no flow, because its threat moves no pixels; name a threat "
                    f"whose edit is a warp under {spec.paper}, {spec.name}"
                )
        count = min(self.images, *(len(block["label"]) for block in blocks))
        rows = 3 * len(blocks)
        figure = Figure(figsize=(1.2 + 1.3 * count, 0.9 + 1.36 * rows))
        heading(figure, spec)
        grid = figure.subplots(rows, count, squeeze=False)
        for i, (panel, block) in enumerate(zip(spec.panels, blocks, strict=True)):
            original, edited, flow = grid[3 * i : 3 * i + 3]
            show_row(original, "original", block["original"][:count])
            show_row(edited, panel.label, block["edited"][:count])
            _framed(original, VERMILLION)
            _framed(edited, GREEN)
            _show_flows(flow, block["flow"][:count])
        return figure


def _framed(row: np.ndarray, colour: str) -> None:
    for axes in row:
        for spine in axes.spines.values():
            spine.set(visible=True, color=colour, linewidth=1.6)


def _show_flows(row: np.ndarray, flows: np.ndarray) -> None:
    """Draws arrows to where pixels are fetched from, on one scale for all images."""
    longest = float(np.hypot(flows[:, 0], flows[:, 1]).max()) or 1.0
    for axes, flow in zip(row, flows, strict=True):
        _show_flow(axes, flow, longest)
    text = f"flow, up to\n{longest:.2g} px"
    row[0].set_ylabel(text, rotation=0, ha="right", va="center", labelpad=6, color=GREY)
    _framed(row, INK)


def _show_flow(axes: Axes, flow: np.ndarray, longest: float) -> None:
    height, width = flow.shape[1:]
    every = max(1, width // ARROWS)
    places = slice(every // 2, None, every)
    right, down = flow[:, places, places]
    axes.quiver(
        np.arange(width)[places],
        np.arange(height)[places],
        right,
        down,
        color=INK,
        angles="xy",
        scale_units="xy",
        scale=longest / every,  # so the longest arrow reaches the next one
        pivot="mid",
        width=0.009,
        headwidth=3.5,
        headlength=3.5,
        headaxislength=3.2,
    )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
