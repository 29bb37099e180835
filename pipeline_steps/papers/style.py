"""One look for all figures, tables and pages.

Colours are those of Okabe and Ito, which colour-blind readers tell apart; lines differ
in dash and marker as well, for print in grey. No file holds a date or a version, so
that the same content is the same bytes.
"""

import textwrap
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers.spec import CalibrationSpec, FigureSpec, TableSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, BLACK = "#CC79A7", "#E69F00", "#56B4E9", "#000000"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, GREY, FAINT = "#1a1a1a", "#6b6b6b", "#d9d9d9"

LOOK: dict[str, Any] = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "image.interpolation": "nearest",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "savefig.dpi": 200,
    "svg.hashsalt": "papers",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
}

# Metadata that a format would otherwise write about the time and the program.
NO_TRACES: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Creator": None, "Date": None},
}


def look() -> AbstractContextManager[None]:
    """Figures drawn and saved inside the `with` block have one style, whatever the
    user's is."""
    import matplotlib.style  # Imported here, because pages of text share this module.

    return matplotlib.style.context(["default", LOOK])


def save(figure: "Figure", path: Path) -> None:
    """A figure in the format of its suffix; the same figure gives the same bytes."""
    if path.suffix not in NO_TRACES:
        formats = ", ".join(NO_TRACES)
        raise PipelineError(f"{path} should end in one of {formats}")
    figure.savefig(path, metadata=NO_TRACES[path.suffix])


def paper_name(paper: str) -> str:
    return paper.upper()


def scale_line(spec: TableSpec | FigureSpec | CalibrationSpec) -> str:
    """At what scale this was computed, and what stands in for the paper's data."""
    return " · ".join([f"Scale {spec.scale}: {spec.scale_title}", *standing_in(spec)])


def standing_in(spec: TableSpec | FigureSpec | CalibrationSpec) -> list[str]:
    """What was used in place of data sets that the paper names, a clause for each."""
    if isinstance(spec, TableSpec):
        stand_ins = spec.stand_ins
    else:
        stand_ins = dict(spec.stand_ins) if isinstance(spec, FigureSpec) else {}
        if spec.dataset and spec.stands_for and spec.dataset != spec.stands_for:
            stand_ins = {spec.stands_for: spec.dataset, **stand_ins}
    named: dict[str, list[str]] = {}
    for name, used in stand_ins.items():
        named.setdefault(used, []).append(name)
    return [f"{used} stands in for {' and '.join(n)}" for used, n in named.items()]


def heading(figure: "Figure", spec: FigureSpec) -> None:
    """Title and scale at the top of a figure; what it shows is laid out below."""
    width, height = figure.get_size_inches()
    title = wrapped(f"{paper_name(spec.paper)}, {spec.title}", width - 0.3, 11)
    line = wrapped(scale_line(spec), width - 0.3, 8.5)
    top = 0.12 + 0.2 * (title.count("\n") + 1)
    below = top + 0.06 + 0.16 * (line.count("\n") + 1)
    bold: dict[str, Any] = {"fontsize": 11, "fontweight": "bold", "va": "top"}
    figure.text(0.15 / width, 1 - 0.1 / height, title, **bold)
    figure.text(
        0.15 / width, 1 - top / height, line, fontsize=8.5, color=GREY, va="top"
    )
    room = (0.0, 0.0, 1 - 0.1 / width, 1 - (below + 0.06) / height)
    figure.set_layout_engine("constrained", rect=room)


def wrapped(text: str, inches: float, points: float) -> str:
    """Text broken into lines that fit; a letter is about 0.6 of its height wide."""
    letters = max(10, int(inches * 72 / (0.6 * points)))
    return "\n".join(textwrap.wrap(text, letters))
