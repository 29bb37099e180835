"""A table of the report: what is printed, what was measured, and a box for each cell."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline_steps.papers.footnotes import Footnotes
from pipeline_steps.papers.forms.words import CALIBRATED, caution
from pipeline_steps.papers.report import parts
from pipeline_steps.papers.report.contents import Contents, Number, Table
from pipeline_steps.papers.report.origins import verdict, why
from pipeline_steps.papers.report.parts import Fact, code, hidden, link, short, tag
from pipeline_steps.papers.spec import Column, Row
from pipeline_steps.papers.style import escape, scale_line

LEGEND = (
    "Accuracy in percent. Large: measured here, with its 95 % interval over the test "
    "images; it opens what stands behind it. Small: printed in the paper, and measured "
    "less printed. The head of a column sorts by what was measured: once, the other way "
    "round, and back to the paper's order."
)


def table(contents: Contents, one: Table) -> str:
    """A table with its notes, and the boxes that its numbers open."""
    notes = Notes(one.place)
    heads = [parts.head("Method"), *_heads(one, notes)]
    rows = [
        [_row_head(row, notes), *_cells(one, i, notes)]
        for i, row in enumerate(one.spec.rows)
    ]
    caption = escape(f"{short(one.spec.title)}. {scale_line(one.spec)}.")
    shown = parts.table(one.place, caption, heads, rows)
    told = caution(one.spec)
    return "\n".join(
        [
            tag("h3", escape(one.spec.title), id=one.place),
            tag("p", escape(told), class_="warning") if told else "",
            shown,
            tag("p", LEGEND, class_="small"),
            notes.list(),
            *_boxes(contents, one),
        ]
    )


class Notes(Footnotes):
    """Letters that lead to what is said below the table."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def links(self, *sentences: str) -> str:
        """Each letter as a link, raised."""
        letters = [self.mark(sentence) for sentence in sentences]
        led = (
            tag("a", hidden("note "), letter, href=f"#{self.place}/note-{letter}")
            for letter in letters
        )
        return tag("sup", " ".join(led)) if letters else ""

    def list(self) -> str:
        told = "\n".join(
            tag(
                "p",
                f"<sup>{letter}</sup> {escape(text)}",
                id=f"{self.place}/note-{letter}",
            )
            for text, letter in self.letters.items()
        )
        return tag("div", told, class_="small")


def _heads(one: Table, notes: Notes) -> Iterator[str]:
    for column in one.spec.columns:
        part = tag("span", escape(column.part or ""), class_="small")
        name = (f"{part}<br>" if column.part else "") + escape(column.name)
        said = [CALIBRATED] if column.calibrated else []
        yield parts.head(name, True, notes.links(*_said(column), *said))
    if one.spec.average:
        yield parts.head(escape(one.spec.average), True)


def _said(part: Row | Column) -> Iterator[str]:
    if part.not_run:
        yield f"Not run: {part.not_run}."
    if part.note:
        yield part.note


def _row_head(row: Row, notes: Notes) -> str:
    return parts.row_head(f"{escape(row.label)} {notes.links(*_said(row))}")


def _cells(one: Table, i: int, notes: Notes) -> Iterator[str]:
    row, columns = one.spec.rows[i], one.spec.columns
    for j, cell in enumerate(one.rows[i]):
        box = box_of(one, i, j)
        above = columns[j].not_run if j < len(columns) else None
        # What holds of a whole row or column is told beside its name.
        why = [] if cell.not_run in (row.not_run, above) else [cell.not_run]
        yield (
            _not_run(cell, box, notes, why)
            if cell.measured is None
            else _measured(cell, box, notes)
        )


def box_of(one: Table, i: int, j: int) -> str:
    """The place of the box behind a row's and a column's cell."""
    return f"{one.place}/{i + 1}/{j + 1}"


def cell_at(box: str) -> str:
    return f"{box}/cell"


def _not_run(cell: Number, box: str, notes: Notes, why: Sequence[str]) -> str:
    letters = notes.links(*(f"Not run: {reason}." for reason in why))
    shown = ["not run", letters, hidden(f": {cell.not_run}"), "<br>"]
    shown.append(_beside(cell, notes))
    return tag("td", *shown, class_="number not-run", id=cell_at(box))


def _measured(cell: Number, box: str, notes: Notes) -> str:
    flags = notes.links(*(f"Red flag: {flag}." for flag in cell.red_flags))
    flag = tag("span", "⚑", hidden("red flag"), flags, class_="bad") if flags else ""
    button = parts.opener(box, f"{cell.measured:.2f}", ": where does it come from?")
    small = [tag("span", within(cell), class_="small")]
    small += [tag("span", escape(cell.spread), class_="small")] if cell.spread else []
    lines = "<br>".join([flag + button, *small, _beside(cell, notes)])
    return parts.number(lines, cell.measured, cell_at(box))


def _beside(cell: Number, notes: Notes) -> str:
    doubts = notes.links(*(f"The {doubt}." for doubt in cell.doubts))
    return tag("span", _printed(cell), doubts, class_="small")


def within(cell: Number) -> str:
    return "" if cell.low is None else f"{cell.low:.2f} to {cell.high:.2f}"


def _printed(cell: Number) -> str:
    if cell.published is None:
        return ""
    difference = "" if cell.difference is None else f" ({cell.difference:+.2f})"
    return f"paper {cell.published:.2f}{difference}"


def _boxes(contents: Contents, one: Table) -> Iterator[str]:
    for i, row in enumerate(one.spec.rows):
        for j, name in enumerate(one.columns):
            cell = one.rows[i][j]
            if cell.measured is None:
                continue
            told = parts.facts(_facts(one, row, name, cell))
            behind = (
                _mean(one, i)
                if j == len(one.spec.columns)
                else _verdicts(contents, contents.verdicts(one, i, j))
            )
            yield parts.box(box_of(one, i, j), f"{row.label}, {name}", told, behind)


def _facts(one: Table, row: Row, name: str, cell: Number) -> Iterator[Fact]:
    seeds = "1 seed" if cell.seeds == "1" else f"{cell.seeds} seeds"
    yield "Measured", f"{cell.measured:.2f} %, {seeds} {escape(cell.spread)}"
    yield "95 % interval", f"{within(cell)} %, over {cell.images} test images"
    yield "In the paper", escape(_printed(cell).removeprefix("paper "))
    yield "Red flags", parts.items(map(escape, cell.red_flags))
    yield (
        "To be said",
        parts.items(escape(n) for n in [*cell.doubts, row.note or ""] if n),
    )
    named = row.dataset or one.spec.dataset
    used = one.spec.used(row)
    yield "Data set", escape(used if used == named else f"{used}, for {named}")
    if row.difference:
        yield "Difference", escape(f"{row.difference[0]} less {row.difference[1]}")
    else:
        yield "Defense", code(row.defense or "")
    threats = next((c.threats for c in one.spec.columns if c.label == name), [])
    worst = "the worst for each image of " if len(threats) > 1 else ""
    yield "Threat", worst + ", ".join(map(code, threats))
    yield "The whole chain", why(one.csv, f"{row.label}, {name}")


def _mean(one: Table, i: int) -> str:
    """An average stands on the other cells of its row."""
    led = (
        link(cell_at(box_of(one, i, j)), column.label)
        for j, column in enumerate(one.spec.columns)
    )
    return tag("p", "The mean, over the same images, of ", ", ".join(led), ".")


def _verdicts(contents: Contents, cards: Sequence[Path]) -> str:
    if len(cards) == 1:
        return verdict(contents, cards[0])
    return "".join(
        parts.details(_named(contents, c), verdict(contents, c)) for c in cards
    )


def _named(contents: Contents, card: Path) -> str:
    one = contents.results[card]
    return f"{one.name}: {one.card.metrics['accuracy']:.2f} %"
