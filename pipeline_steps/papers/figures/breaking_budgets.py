"""The budget that breaks a defense, for each image."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.papers.bands import SHADE, band, legend_below
from pipeline_steps.papers.panels import by_part
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREY, heading

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 3
# Stands for images that withstand every budget that was tried.
UNBROKEN = np.inf


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
    """Draws a defense's line; returns its median in words."""
    verdicts = {float(p.at or 0): path for p, path in shown if p.label == label}
    if not verdicts:
        return ""
    smallest, budgets = smallest_budgets(verdicts), sorted(verdicts)
    unbroken = [withstood(smallest, budget)[None] for budget in budgets]
    band(axes, labels.index(label), budgets, unbroken, label)
    # The lower of two middle images, because a budget and none have no mean.
    median = float(np.sort(smallest.to_numpy())[(len(smallest) - 1) // 2])
    return (
        f"{label}: {median:g}" if np.isfinite(median) else f"{label}: > {budgets[-1]:g}"
    )


def smallest_budgets(verdicts: Mapping[float, Path]) -> "pd.Series":
    """The smallest budget under which each image was misclassified, by its number.

    Only images that were judged under all budgets count. An image that a small budget
    breaks counts as broken by all larger ones, for these allow the same edit.
    """
    # Imported here, because pandas takes long to import.
    import pandas as pd

    right = {}
    for budget in sorted(verdicts):
        table = pd.read_parquet(verdicts[budget], columns=["image", "correct"])
        right[budget] = table.set_index("image")["correct"].astype(bool)
    wrong = ~pd.concat(right, axis=1, join="inner")
    smallest = wrong.idxmax(axis=1).astype(float)
    smallest[~wrong.any(axis=1)] = UNBROKEN
    return smallest.rename("budget")


def withstood(smallest: "pd.Series", budget: float) -> np.ndarray:
    """Which images withstand this budget and all smaller ones."""
    unbroken: np.ndarray = (smallest > budget).to_numpy()
    return unbroken
