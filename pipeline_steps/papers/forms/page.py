"""A table as a page: each measured cell tells the cards of the verdicts behind it."""

from pipeline_steps.papers import wording
from pipeline_steps.papers.results import Cell
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.style import escape, html_table, page, scale_line
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

SMALL = "Small: printed in the paper, and measured less printed"


def as_page(spec: TableSpec, rows: list[list[Cell]], notes: Footnotes) -> str:
    """The table as a page, with its footnotes."""
    names = [_raised(c.label, marks(c, notes)) for c in spec.columns]
    names += [escape(spec.average)] if spec.average else []
    head = ["Method", *(f'<th scope="col" class="number">{n}</th>' for n in names)]
    body = [
        [
            f'<th scope="row">{_raised(row.label, marks(row, notes))}</th>',
            *(_cell(cell, notes) for cell in line),
        ]
        for row, line in zip(spec.rows, rows, strict=True)
    ]
    careful = caution(spec)
    warning = f'<p class="warning">{escape(careful)}</p>\n' if careful else ""
    footnotes = "\n".join(
        f"<p><sup>{letter}</sup> {escape(text)}</p>"
        for text, letter in notes.letters.items()
    )
    below = f"<p>{escape(legend(rows, 'Large', SMALL))}</p>\n{footnotes}"
    return page(
        title(spec),
        scale_line(spec),
        f'{warning}{html_table(head, body)}\n<div class="notes">\n{below}\n</div>',
    )


def _raised(text: str, letters: str) -> str:
    return escape(text) + (f"<sup>{letters}</sup>" if letters else "")


def _cell(cell: Cell, notes: Footnotes) -> str:
    flags, doubts = cell_marks(cell, notes)
    paper = _raised(printed(cell), doubts)
    if cell.measured is None or cell.interval is None:
        why = escape(f"not run: {wording.not_run(cell)}")
        return (
            f'<td class="number not-run" title="{why}">not run<br>'
            f'<span class="small">{paper}</span></td>'
        )
    flag = f'<span class="red-flag">⚑<sup>{flags}</sup></span> ' if flags else ""
    colour = " red-flag" if flags else ""
    number = f'{flag}<span class="measured{colour}">{_linked(cell)}</span>'
    small = [*beside(cell, cell.interval, 2), paper]
    lines = "<br>".join([number, *(f'<span class="small">{s}</span>' for s in small)])
    seeds = "1 seed" if cell.seeds == 1 else f"{cell.seeds} seeds"
    tooltip = (
        f"{wording.source(cell)}: {cell.interval.low:.2f} to {cell.interval.high:.2f} is the "
        f"95 % interval over {cell.images:,} images, {seeds}"
    )
    cards = escape(" ".join(run.card for run in cell.runs))
    return (
        f'<td class="number" data-card="{cards}" title="{escape(tooltip)}">{lines}</td>'
    )


def _linked(cell: Cell) -> str:
    """The number, which opens its card if it comes from one file of verdicts alone."""
    number = f"{cell.measured:.2f}"
    if len(cell.runs) != 1:
        return number
    return f'<a href="{escape(cell.runs[0].card)}">{number}</a>'
