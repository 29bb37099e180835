"""Accuracies of figures with their intervals over the test images, as lines and bands."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.core.tables import read_table
from pipeline_steps.papers.statistics import Outcomes, accuracy, interval
from pipeline_steps.papers.style import COLOURS, DASHES, MARKERS

SHADE = "shade: 95 % interval over the test images"


def judged(path: Path) -> Outcomes:
    """The verdicts of one run."""
    return read_table(path, ["correct"])["correct"][None]


def legend_below(figure: Figure, axes: Axes, title: str) -> None:
    """One legend for all axes, with the entries of these."""
    drawn, labels = axes.get_legend_handles_labels()
    figure.legend(
        drawn,
        labels,
        loc="outside lower center",
        ncols=min(len(labels), 5),
        title=title,
        title_fontsize=8,
    )


def band(
    axes: Axes,
    i: int,
    places: Sequence[float],
    outcomes: Sequence[Outcomes],
    label: str,
) -> None:
    """Draws the line of this number: accuracy in percent over positions on the axis."""
    sure = [interval(outcome) for outcome in outcomes]
    low, high = [ends.low for ends in sure], [ends.high for ends in sure]
    colour = COLOURS[i % len(COLOURS)]
    axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        places,
        [accuracy(outcome) for outcome in outcomes],
        color=colour,
        linestyle=DASHES[i % len(DASHES)],
        marker=MARKERS[i % len(MARKERS)],
        label=label,
    )
