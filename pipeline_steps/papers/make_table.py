"""Makes a published table with what was measured: tidy, as a page, as a picture."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.spec import Column, Row, TableSpec
from pipeline_steps.papers.statistics import FEW, Interval, Key, read_outcomes
from pipeline_steps.papers.style import (
    FAINT,
    GREY,
    INK,
    VERMILLION,
    escape,
    html_table,
    look,
    page,
    paper_name,
    save,
    scale_line,
    standing_in,
    wrapped,
)
from pipeline_steps.papers.tables import COLUMNS, Cell, Footnotes, Found, cells

# Inches of the picture's parts.
MARGIN, NAMES, COLUMN, LINE = 0.15, 1.6, 1.2, 0.14
LETTER = 0.078

CALIBRATED = (
    "Setting not stated: the paper leaves this attack's strength open, and ours is a "
    "choice, to be calibrated on AT and Normal Training alone."
)


def main(job: Job[TableSpec]) -> dict[str, Any]:
    """All cells, in three forms."""
    spec = job.spec
    files = job.all_verified("verdicts", "verdicts")
    metrics: dict[Key, list[dict[str, Any]]] = {}
    for one, card in zip(spec.runs, job.inputs["verdicts_card"], strict=True):
        key = (one.dataset, one.defense, one.threat)
        metrics.setdefault(key, []).append(read_card(card).metrics)
    rows = cells(spec, Found(read_outcomes(spec.runs, files), metrics))
    flat = [cell for row in rows for cell in row]
    tidy = pd.DataFrame([cell.record() for cell in flat], columns=list(COLUMNS))
    tidy.to_csv(job.output("csv"), index=False, lineterminator="\n")
    notes = Footnotes()
    job.output("html").write_text(as_page(spec, rows, notes), encoding="utf-8")
    draw(spec, rows, notes, job.output("png"))
    return {
        "cells": len(flat),
        "measured": sum(cell.measured is not None for cell in flat),
        "red_flags": sum(len(cell.red_flags) for cell in flat),
    }


def title(spec: TableSpec) -> str:
    return f"{paper_name(spec.paper)}, {spec.title}"


def caution(spec: TableSpec) -> str | None:
    """What a reader must know before a difference is read."""
    if said := standing_in(spec):
        return (
            f"Here {' and '.join(said)}: the differences from the paper are not "
            "comparable, and say nothing of whether it reproduces."
        )
    if spec.scale != "paper":
        return (
            f"Measured at scale {spec.scale}, which is smaller than the paper's: a "
            "difference may come of the scale alone."
        )
    return None


def legend(rows: list[list[Cell]]) -> str:
    """How a cell is to be read."""
    images = sorted({cell.images for row in rows for cell in row if cell.images})
    counted = " and ".join(f"{number:,}" for number in images) or "no"
    text = (
        f"Accuracy in percent. Large: measured here on {counted} test images, with its "
        "95 % interval over the images (bootstrap; exact where fewer than "
        f"{FEW} images are right or wrong). Small: printed in the paper, and measured "
        "less printed."
    )
    if any(cell.seeds > 1 for row in rows for cell in row):
        text += " Spread: the standard deviation between seeds."
    return text


def as_page(spec: TableSpec, rows: list[list[Cell]], notes: Footnotes) -> str:
    """The table as a page, with its footnotes."""
    names = [_raised(c.label, _marks(c, notes)) for c in spec.columns]
    names += [escape(spec.average)] if spec.average else []
    head = ["Method", *(f'<th scope="col" class="number">{n}</th>' for n in names)]
    body = [
        [
            f'<th scope="row">{_raised(row.label, _marks(row, notes))}</th>',
            *(_cell(cell, notes) for cell in line),
        ]
        for row, line in zip(spec.rows, rows, strict=True)
    ]
    told = caution(spec)
    warning = f'<p class="warning">{escape(told)}</p>\n' if told else ""
    footnotes = "\n".join(
        f"<p><sup>{letter}</sup> {escape(text)}</p>"
        for text, letter in notes.letters.items()
    )
    table = html_table(head, body)
    return page(
        title(spec),
        scale_line(spec),
        f'{warning}{table}\n<div class="notes">\n<p>{escape(legend(rows))}</p>\n'
        f"{footnotes}\n</div>",
    )


def _marks(part: Row | Column, notes: Footnotes) -> str:
    """The letters of what is to be said of a whole row or column."""
    said = [f"Not run: {part.not_run}."] if part.not_run else []
    if isinstance(part, Column) and part.calibrated:
        said.append(CALIBRATED)
    return notes.mark(*said, *filter(None, [part.note]))


def _cell_marks(cell: Cell, notes: Footnotes) -> tuple[str, str]:
    """The letters of a cell's red flags, and of what contradicts its printed number."""
    flags = notes.mark(*(f"Red flag: {flag}." for flag in cell.red_flags))
    return flags, notes.mark(*(f"The {note}." for note in cell.doubts))


def _raised(text: str, letters: str) -> str:
    return escape(text) + (f"<sup>{letters}</sup>" if letters else "")


def _cell(cell: Cell, notes: Footnotes) -> str:
    flags, doubts = _cell_marks(cell, notes)
    printed = _raised(_printed(cell), doubts)
    if cell.measured is None or cell.interval is None:
        why = escape(f"not run: {cell.not_run}")
        return (
            f'<td class="number not-run" title="{why}">not run<br>'
            f'<span class="small">{printed}</span></td>'
        )
    flag = f'<span class="red-flag">⚑<sup>{flags}</sup></span> ' if flags else ""
    colour = " red-flag" if flags else ""
    number = f'{flag}<span class="measured{colour}">{cell.measured:.2f}</span>'
    small = [*_beside(cell, cell.interval, 2), printed]
    lines = "<br>".join([number, *(f'<span class="small">{s}</span>' for s in small)])
    seeds = "1 seed" if cell.seeds == 1 else f"{cell.seeds} seeds"
    tooltip = f"{small[0]}: 95 % interval over {cell.images:,} images, {seeds}"
    return f'<td class="number" title="{tooltip}">{lines}</td>'


def _printed(cell: Cell) -> str:
    if cell.published is None:
        return ""
    difference = "" if cell.difference is None else f" ({cell.difference:+.2f})"
    return f"paper {cell.published:.2f}{difference}"


def _beside(cell: Cell, within: Interval, digits: int) -> list[str]:
    """What stands small beside a measured number."""
    said = [f"{within.low:.{digits}f} to {within.high:.{digits}f}"]
    return said if cell.spread is None else [*said, f"spread {cell.spread:.2f}"]


def draw(spec: TableSpec, rows: list[list[Cell]], notes: Footnotes, path: Path) -> None:
    """The table as a picture; all places are in inches."""
    heads = [(c.name, _marks(c, notes), c.part or "") for c in spec.columns]
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
        for i, (name, marks, part) in enumerate(heads):
            _write(axes, right(i), head, name, marks, ha="right", **bold)
            _write(
                axes,
                right(i),
                head - 0.17,
                part,
                "",
                ha="right",
                color=GREY,
                fontsize=7,
            )
        for i, (row, line) in enumerate(zip(spec.rows, rows, strict=True)):
            y = body + high * i
            colour = GREY if row.not_run else INK
            marks = _marks(row, notes)
            _write(axes, MARGIN, y + 0.21, row.label, marks, color=colour, fontsize=9.5)
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


def _write(axes: Axes, x: float, y: float, text: str, marks: str, **how: Any) -> None:
    """Text with raised letters behind it."""
    if marks:
        text = text.replace("$", r"\$") + rf"$^{{\mathregular{{\ {marks}}}}}$"
    axes.text(x, y, text, parse_math=bool(marks), **how)


def _draw_cell(axes: Axes, x: float, y: float, cell: Cell, notes: Footnotes) -> None:
    flags, doubts = _cell_marks(cell, notes)
    small: dict[str, Any] = {"ha": "right", "fontsize": 7, "color": GREY}
    lines: list[str] = []
    if cell.measured is None or cell.interval is None:
        _write(axes, x, y, "not run", "", **(small | {"fontsize": 8.5}))
    else:
        number = f"{cell.measured:.2f}"
        colour = VERMILLION if flags else INK
        how: dict[str, Any] = {"ha": "right", "fontsize": 10.5, "fontweight": "bold"}
        _write(
            axes, x, y, f"⚑ {number}" if flags else number, flags, color=colour, **how
        )
        lines = _beside(cell, cell.interval, 1)
    for i, line in enumerate(lines):
        _write(axes, x, y + LINE * (i + 1), line, "", **small)
    _write(axes, x, y + LINE * (len(lines) + 1), _printed(cell), doubts, **small)


def _below(spec: TableSpec, rows: list[list[Cell]], notes: Footnotes) -> list[str]:
    told = caution(spec)
    letters = [f"{letter}  {text}" for text, letter in notes.letters.items()]
    own = legend(rows).replace("Large", "Bold")
    return [*([told] if told else []), own, *letters]


if __name__ == "__main__":
    run("papers.make_table", TableSpec, main)
