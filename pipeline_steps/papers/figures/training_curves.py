"""How accuracy under attack grows, and falls again, while defenses are trained."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.statistics import accuracy, interval
from pipeline_steps.papers.style import COLOURS, DASHES, MARKERS, heading


class TrainingCurves:
    """Accuracy against epoch, a line for each panel, with its interval over images."""

    shows = "curve"

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        figure = Figure(figsize=(6.2, 4.2))
        heading(figure, spec)
        axes = figure.add_subplot()
        for i, (panel, path) in enumerate(zip(spec.panels, files, strict=True)):
            _curve(axes, i, panel.label, pd.read_parquet(path))
        threats = dict.fromkeys(panel.threat or "" for panel in spec.panels)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"accuracy under {' and '.join(threats)} (%)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
            ncols=2,
            title="shade: 95 % interval over the test images",
            title_fontsize=8,
        )
        return figure


def _curve(axes: Axes, i: int, label: str, table: pd.DataFrame) -> None:
    epochs = sorted(table["epoch"].unique())
    groups = (table.loc[table["epoch"] == epoch, "correct"] for epoch in epochs)
    outcomes = [group.to_numpy(dtype=bool)[None] for group in groups]
    means = [accuracy(one) for one in outcomes]
    bands = [interval(one) for one in outcomes]
    colour = COLOURS[i % len(COLOURS)]
    axes.fill_between(
        epochs,
        [band.low for band in bands],
        [band.high for band in bands],
        color=colour,
        alpha=0.18,
        linewidth=0,
    )
    axes.plot(
        epochs,
        means,
        color=colour,
        linestyle=DASHES[i % len(DASHES)],
        marker=MARKERS[i % len(MARKERS)],
        label=f"{label}: last {means[-1]:.1f}, best {max(means):.1f}",
    )
