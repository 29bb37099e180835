"""Accuracy of defenses under several attacks, side by side."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.papers.bands import judged, legend_below
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.statistics import Outcomes, accuracy, interval
from pipeline_steps.papers.style import COLOURS, GREY, INK, heading

HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++")
# The gap between groups of bars, relative to their distance.
GAP = 0.2


class AccuracyBars:
    """Axes for each part, with a group of bars and intervals for each attack."""

    shows = "verdicts"

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        parts = list(dict.fromkeys(panel.part for panel in spec.panels))
        labels = list(dict.fromkeys(panel.label for panel in spec.panels))
        groups = list(dict.fromkeys(str(panel.at) for panel in spec.panels))
        outcomes = {
            (panel.part, panel.label, str(panel.at)): judged(path)
            for panel, path in zip(spec.panels, files, strict=True)
        }
        figure = Figure(figsize=(7.2, 1.4 + 2.2 * len(parts)))
        heading(figure, spec)
        grid = figure.subplots(len(parts), sharex=True, squeeze=False)[:, 0]
        for axes, part in zip(grid, parts, strict=True):
            axes.set(title=part, ylabel="accuracy (%)", ylim=(0, 112))
            axes.set_xticks(range(len(groups)), groups)
            axes.set_yticks(range(0, 101, 20))
            axes.grid(visible=False, axis="x")
            for i, label in enumerate(labels):
                own = {
                    g: outcomes.get((part, label, group))
                    for g, group in enumerate(groups)
                }
                _bars(axes, i, len(labels), label, own)
        legend_below(figure, grid[0], "line: 95 % interval over the test images")
        return figure


def _bars(
    axes: Axes, i: int, of: int, label: str, outcomes: dict[int, Outcomes | None]
) -> None:
    """One defense's bars: the i-th of so many in each group."""
    width = (1 - GAP) / of
    known = {
        group: outcome for group, outcome in outcomes.items() if outcome is not None
    }
    xs = np.array([*known]) + (i + 0.5) * width - (1 - GAP) / 2
    means = np.array([accuracy(outcome) for outcome in known.values()])
    sure = np.array([interval(outcome) for outcome in known.values()]).reshape(-1, 2)
    axes.bar(
        xs,
        means,
        width,
        yerr=np.stack([means - sure[:, 0], sure[:, 1] - means]).clip(0),
        color=COLOURS[i % len(COLOURS)],
        hatch=HATCHES[i % len(HATCHES)],
        edgecolor="white",
        error_kw={"ecolor": INK, "elinewidth": 1},
        label=label,
        zorder=2,
    )
    for x, mean, high in zip(xs, means, sure[:, 1], strict=True):
        text = f"{mean:.1f}"
        axes.text(x, high + 1, text, ha="center", fontsize=6.5, color=GREY)
