"""What it takes to break a defense, image by image."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.papers.bands import SHADE, band, legend_below
from pipeline_steps.papers.breaking import smallest_budgets, withstood
from pipeline_steps.papers.panels import by_part
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREY, heading

COLUMNS = 3


class BreakingBudgets:
    """Images that no budget has broken yet, against budget: axes for each attack."""

    shows = "verdicts"

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        parts = by_part(spec.panels, files)
        labels = list(dict.fromkeys(panel.label for panel in spec.panels))
        rows = -(-len(parts) // COLUMNS)
        figure = Figure(figsize=(9.6, 1.5 + 2.7 * rows))
        heading(figure, spec)
        grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).flatten()
        for axes, (part, shown) in zip(grid, parts.items(), strict=False):
            medians = [_line(axes, shown, label, labels) for label in labels]
            axes.set(title=part, xlabel="budget (1: the table's)", ylim=(0, 102))
            axes.axhline(50, color=GREY, linestyle=":", linewidth=0.8, zorder=0)
            corner = "\n".join(filter(None, medians))
            axes.text(
                0.97,
                0.97,
                corner,
                transform=axes.transAxes,
                ha="right",
                va="top",
                size=7,
            )
        for axes in grid[len(parts) :]:
            axes.remove()
        for axes in grid[: len(parts) : COLUMNS]:
            axes.set_ylabel("images not broken (%)")
        title = f"{SHADE}; in the corner: the median of the smallest breaking budgets"
        legend_below(figure, grid[0], title)
        return figure


def _line(
    axes: Axes, shown: list[tuple[Panel, Path]], label: str, labels: list[str]
) -> str:
    """Draws a defense's line; gives its median in words."""
    verdicts = {float(p.at or 0): path for p, path in shown if p.label == label}
    if not verdicts:
        return ""
    smallest, budgets = smallest_budgets(verdicts), sorted(verdicts)
    unbroken = [withstood(smallest, budget)[None] for budget in budgets]
    band(axes, labels.index(label), budgets, unbroken, label)
    # The lower of two middle images: between a budget and none lies nothing.
    median = float(np.sort(smallest.to_numpy())[(len(smallest) - 1) // 2])
    return (
        f"{label}: {median:g}" if np.isfinite(median) else f"{label}: > {budgets[-1]:g}"
    )
