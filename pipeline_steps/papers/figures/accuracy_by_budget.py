"""How accuracy falls as an attack is allowed more."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers.bands import SHADE, band, judged, legend_below
from pipeline_steps.papers.spec import FigureSpec, Panel
from pipeline_steps.papers.style import GREY, heading

COLUMNS = 2


class AccuracyByBudget:
    """Accuracy against budget: axes for each part, with a line for each label."""

    shows = "verdicts"

    def __init__(
        self, budgets: dict[str, str], trained: dict[str, float] | None = None
    ) -> None:
        self.budgets, self.trained = budgets, trained or {}

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        parts = list(dict.fromkeys(panel.part or "" for panel in spec.panels))
        if {*parts} != {*self.budgets} or not {*self.trained} <= {*parts}:
            raise PipelineError(
                f"{spec.paper}, {spec.name}: its panels have the parts "
                f"{', '.join(parts)}; name each once under `budgets` of the figure, and "
                "no other under `trained`"
            )
        labels = list(dict.fromkeys(panel.label for panel in spec.panels))
        rows = -(-len(parts) // COLUMNS)
        figure = Figure(figsize=(7.2, 1.5 + 2.5 * rows))
        heading(figure, spec)
        grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).flatten()
        shown = list(zip(spec.panels, files, strict=True))
        for axes, part in zip(grid, parts, strict=False):
            own = [(panel, path) for panel, path in shown if (panel.part or "") == part]
            draw_lines(axes, own, labels)
            axes.set(title=part, xlabel=self.budgets[part], ylim=(0, 102))
            if part in self.trained:
                axes.axvline(self.trained[part], color=GREY, linestyle="--", zorder=0)
        for axes in grid[len(parts) :]:
            axes.remove()
        for axes in grid[: len(parts) : COLUMNS]:
            axes.set_ylabel("accuracy (%)")
        title = f"{SHADE}; dashed: the budget of training" if self.trained else SHADE
        legend_below(figure, grid[0], title)
        return figure


def draw_lines(
    axes: Axes, panels: Iterable[tuple[Panel, Path]], labels: list[str]
) -> None:
    """A line for each label, by its number among all labels of the figure."""
    lines: dict[str, list[tuple[float, Path]]] = {}
    for panel, path in panels:
        lines.setdefault(panel.label, []).append((float(panel.at or 0), path))
    for label, points in lines.items():
        budgets = [budget for budget, _ in sorted(points)]
        outcomes = [judged(path) for _, path in sorted(points)]
        band(axes, labels.index(label), budgets, outcomes, label)
