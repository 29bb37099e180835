"""How accuracy under attack grows, and falls again, while defenses are trained."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline_steps.papers.bands import SHADE, band
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.statistics import accuracy
from pipeline_steps.papers.style import heading


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
            title=SHADE,
            title_fontsize=8,
        )
        return figure


def _curve(axes: Axes, i: int, label: str, table: pd.DataFrame) -> None:
    epochs = sorted(table["epoch"].unique())
    groups = (table.loc[table["epoch"] == epoch, "correct"] for epoch in epochs)
    found = [group.to_numpy(dtype=bool)[None] for group in groups]
    means = [accuracy(one) for one in found]
    told = f"{label}: last {means[-1]:.1f}, best {max(means):.1f}"
    band(axes, i, epochs, found, told)
