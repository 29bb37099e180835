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
    """One legend for all axes, of what these ones show."""
    drawn, told = axes.get_legend_handles_labels()
    figure.legend(
        drawn,
        told,
        loc="outside lower center",
        ncols=min(len(told), 5),
        title=title,
        title_fontsize=8,
    )


def band(
    axes: Axes, i: int, places: Sequence[float], found: Sequence[Outcomes], label: str
) -> None:
    """The line of this number: accuracy in percent over places on the axis."""
    sure = [interval(one) for one in found]
    low, high = [one.low for one in sure], [one.high for one in sure]
    colour = COLOURS[i % len(COLOURS)]
    axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        places,
        [accuracy(one) for one in found],
        color=colour,
        linestyle=DASHES[i % len(DASHES)],
        marker=MARKERS[i % len(MARKERS)],
        label=label,
    )
