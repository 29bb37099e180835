"""How accuracy under attack grows, and falls again, while defenses are trained."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline_steps.core.tables import Table, read_table
from pipeline_steps.papers.bands import SHADE, band
from pipeline_steps.papers.panels import by_part
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.statistics import accuracy, best_elsewhere, curve_of
from pipeline_steps.papers.style import heading


class TrainingCurves:
    """Accuracy against epoch, a line for each panel, with its interval over images.

    The best epoch is never chosen on the images that score it.

    Panels of one part share their axes; a label looks alike in all of them.
    """

    shows = "curve"

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        parts = by_part(spec.panels, files)
        labels = [*dict.fromkeys(panel.label for panel in spec.panels)]
        figure = Figure(figsize=(2.6 + 3.6 * len(parts), 4.2 + 0.1 * len(labels)))
        heading(figure, spec)
        grid = figure.subplots(1, len(parts), squeeze=False)[0]
        for axes, (part, members) in zip(grid, parts.items(), strict=True):
            for panel, path in members:
                number = labels.index(panel.label)
                _curve(axes, number, panel.label, read_table(path))
            named = (str(panel.threat) for panel, _ in members)
            threats = dict.fromkeys(spec.threats.get(name, name) for name in named)
            under = "" if part else f" under {' and '.join(threats)}"
            axes.set_title(part or "", fontsize=9)
            axes.set_xlabel("epoch")
            axes.set_ylabel(f"accuracy{under} (%)")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.16),
                ncols=2 if len(parts) == 1 else 1,
                title=SHADE,
                title_fontsize=8,
            )
        return figure


def _curve(axes: Axes, i: int, label: str, table: Table) -> None:
    epochs, right = curve_of(table)
    last, best = (accuracy(rows) for rows in (right[-1:], best_elsewhere(right)[None]))
    name = f"{label}: last {last:.1f}, best {best:.1f}"
    band(axes, i, epochs, [epoch[None] for epoch in right], name)
