"""A table as a picture; all places are in inches."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.papers import wording
from pipeline_steps.papers.results import Cell
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.style import (
    FAINT,
    GREY,
    INK,
    VERMILLION,
    look,
    save,
    scale_line,
    wrapped,
)
from pipeline_steps.papers.wording import (
    Footnotes,
    beside,
    caution,
    cell_marks,
    legend,
    marks,
    printed,
    title,
)

# Inches of the picture's parts.
MARGIN, NAMES, COLUMN, LINE = 0.15, 1.6, 1.2, 0.14
LETTER = 0.078

SMALL: dict[str, Any] = {"ha": "right", "fontsize": 7, "color": GREY}


def draw(spec: TableSpec, rows: list[list[Cell]], notes: Footnotes, path: Path) -> None:
    """The table as a picture; all places are in inches."""
    # Before anything is drawn, for what is said below decides how high the picture is.
    wording.mark_all(spec, rows, notes)
    heads = [(c.name, marks(c, notes), c.part or "") for c in spec.columns]
    heads += [(spec.average, "", "")] if spec.average else []
    names = max(NAMES, *(LETTER * len(row.label) for row in spec.rows))
    width = 2 * MARGIN + names + COLUMN * len(heads)

    def right(column: int) -> float:
        return MARGIN + names + COLUMN * (column + 1) - 0.08

    above = wrapped(title(spec), width - 2 * MARGIN, 11.5)
    scale = wrapped(scale_line(spec), width - 2 * MARGIN, 9)
    below = "\n".join(
        wrapped(text, width - 2 * MARGIN, 8) for text in _below(spec, rows, notes)
    )
    several = any(cell.spread is not None for row in rows for cell in row)
    high = 0.28 + LINE * (3 if several else 2)
    top = 0.42 + 0.2 * above.count("\n")
    start = top + 0.24 + 0.17 * scale.count("\n")
    head = start + (0.4 if any(part for *_, part in heads) else 0.24)
    body = head + 0.12
    end = body + high * len(rows)
    height = end + 0.3 + 0.155 * (below.count("\n") + 1)
    with look():
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        axes.text(MARGIN, 0.14, above, fontsize=11.5, fontweight="bold", va="top")
        axes.text(MARGIN, top, scale, fontsize=9, color=GREY, va="top")
        bold: dict[str, Any] = {"fontweight": "bold", "fontsize": 9}
        _write(axes, MARGIN, head, "Method", "", **bold)
        for i, (head_name, letters, part) in enumerate(heads):
            _write(axes, right(i), head, head_name, letters, ha="right", **bold)
            _write(axes, right(i), head - 0.17, part, "", **SMALL)
        for i, (row, line) in enumerate(zip(spec.rows, rows, strict=True)):
            y = body + high * i
            colour = GREY if row.not_run else INK
            name: dict[str, Any] = {"color": colour, "fontsize": 9.5}
            _write(axes, MARGIN, y + 0.21, row.label, marks(row, notes), **name)
            for j, cell in enumerate(line):
                _draw_cell(axes, right(j), y + 0.21, cell, notes)
            _rule(axes, y + high, width, FAINT, 0.6)
        for y, points in ((start, 1.2), (body, 0.8), (end, 1.2)):
            _rule(axes, y, width, INK, points)
        text = axes.text(MARGIN, end + 0.12, below, fontsize=8, color=INK, va="top")
        text.set_linespacing(1.3)
        save(figure, path)


def _rule(axes: Axes, y: float, width: float, colour: str, points: float) -> None:
    axes.plot([MARGIN, width - MARGIN], [y, y], color=colour, linewidth=points)


def _write(axes: Axes, x: float, y: float, text: str, letters: str, **how: Any) -> None:
    """Text with raised letters behind it."""
    if letters:
        text = text.replace("$", r"\$") + rf"$^{{\mathregular{{\ {letters}}}}}$"
    axes.text(x, y, text, parse_math=bool(letters), **how)


def _draw_cell(axes: Axes, x: float, y: float, cell: Cell, notes: Footnotes) -> None:
    flags, doubts = cell_marks(cell, notes)
    lines: list[str] = []
    if cell.measured is None or cell.interval is None:
        _write(axes, x, y, "not run", "", **(SMALL | {"fontsize": 8.5}))
    else:
        number = f"{cell.measured:.2f}"
        colour = VERMILLION if flags else INK
        how: dict[str, Any] = {"ha": "right", "fontsize": 10.5, "fontweight": "bold"}
        _write(
            axes, x, y, f"⚑ {number}" if flags else number, flags, color=colour, **how
        )
        lines = beside(cell, cell.interval, 1)
    for i, line in enumerate(lines):
        _write(axes, x, y + LINE * (i + 1), line, "", **SMALL)
    _write(axes, x, y + LINE * (len(lines) + 1), printed(cell), doubts, **SMALL)


def _below(spec: TableSpec, rows: list[list[Cell]], notes: Footnotes) -> list[str]:
    careful = caution(spec)
    letters = [f"{letter}  {text}" for text, letter in notes.letters.items()]
    own = legend(rows, "Bold", "Grey: printed in the paper, and measured less printed")
    return [*([careful] if careful else []), own, *letters]
