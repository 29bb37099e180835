"""A table of the report: what is printed, what was measured, and a box for each cell."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline_steps.papers import wording
from pipeline_steps.papers.report import parts
from pipeline_steps.papers.report.contents import Contents, Table
from pipeline_steps.papers.report.origins import verdict, why
from pipeline_steps.papers.report.parts import Fact, code, hidden, link, short, tag
from pipeline_steps.papers.results import Cell
from pipeline_steps.papers.spec import Column, Row
from pipeline_steps.papers.style import escape, scale_line
from pipeline_steps.papers.wording import CALIBRATED, Footnotes, caution

LEGEND = (
    "Accuracy in percent. Large: measured here, with its 95 % interval over the test "
    "images; it opens what stands behind it. Small: printed in the paper, and measured "
    "less printed. The head of a column sorts by what was measured: once, the other way "
    "round, and back to the paper's order."
)


def table(contents: Contents, made: Table) -> str:
    """A table with its notes, and the boxes that its numbers open."""
    notes = Notes(made.anchor)
    heads = [parts.head("Method"), *_heads(made, notes)]
    rows = [
        [_row_head(row, notes), *_cells(made, i, notes)]
        for i, row in enumerate(made.spec.rows)
    ]
    caption = escape(f"{short(made.spec.title)}. {scale_line(made.spec)}.")
    shown = parts.table(made.anchor, caption, heads, rows)
    careful = caution(made.spec)
    return "\n".join(
        [
            tag("h3", escape(made.spec.title), id=made.anchor),
            tag("p", escape(careful), class_="warning") if careful else "",
            shown,
            tag("p", LEGEND, class_="small"),
            notes.list(),
            *_boxes(contents, made),
        ]
    )


class Notes(Footnotes):
    """Letters that lead to what is said below the table."""

    def __init__(self, anchor: str) -> None:
        super().__init__()
        self.anchor = anchor

    def links(self, *sentences: str) -> str:
        """Each letter as a link, raised."""
        letters = [self.mark(sentence) for sentence in sentences]
        links = (
            tag("a", hidden("note "), letter, href=f"#{self.anchor}/note-{letter}")
            for letter in letters
        )
        return tag("sup", " ".join(links)) if letters else ""

    def list(self) -> str:
        paragraphs = "\n".join(
            tag(
                "p",
                f"<sup>{letter}</sup> {escape(text)}",
                id=f"{self.anchor}/note-{letter}",
            )
            for text, letter in self.letters.items()
        )
        return tag("div", paragraphs, class_="small")


def _heads(made: Table, notes: Notes) -> Iterator[str]:
    for column in made.spec.columns:
        part = tag("span", escape(column.part or ""), class_="small")
        name = (f"{part}<br>" if column.part else "") + escape(column.name)
        more = [CALIBRATED] if column.calibrated else []
        yield parts.head(name, True, notes.links(*_remarks(column), *more))
    if made.spec.average:
        yield parts.head(escape(made.spec.average), True)


def _remarks(part: Row | Column) -> Iterator[str]:
    if part.not_run:
        yield f"Not run: {part.not_run}."
    if part.note:
        yield part.note


def _row_head(row: Row, notes: Notes) -> str:
    return parts.row_head(f"{escape(row.label)} {notes.links(*_remarks(row))}")


def _cells(made: Table, i: int, notes: Notes) -> Iterator[str]:
    for j, cell in enumerate(made.rows[i]):
        shown = _not_run if cell.measured is None else _measured
        yield shown(cell, box_of(made, i, j), notes)


def box_of(made: Table, i: int, j: int) -> str:
    """The place of the box behind a row's and a column's cell."""
    return f"{made.anchor}/{i + 1}/{j + 1}"


def cell_at(box: str) -> str:
    return f"{box}/cell"


def _not_run(cell: Cell, box: str, notes: Notes) -> str:
    why = wording.not_run(cell)
    shared = cell.not_run is not None and cell.not_run.is_shared
    letters = "" if shared else notes.links(f"Not run: {why}.")
    shown = ["not run", letters, hidden(f": {why}"), "<br>"]
    shown.append(_beside(cell, notes))
    return tag("td", *shown, class_="number not-run", id=cell_at(box))


def _measured(cell: Cell, box: str, notes: Notes) -> str:
    flags = notes.links(
        *(f"Red flag: {wording.flag(raised)}." for raised in cell.flags)
    )
    flag = tag("span", "⚑", hidden("red flag"), flags, class_="bad") if flags else ""
    button = parts.opener(box, f"{cell.measured:.2f}", ": where does it come from?")
    small = [tag("span", within(cell), class_="small")]
    if spread := _spread(cell):
        small.append(tag("span", escape(spread), class_="small"))
    lines = "<br>".join([flag + button, *small, _beside(cell, notes)])
    return parts.number(lines, round(cell.measured or 0.0, 2), cell_at(box))


def _spread(cell: Cell) -> str:
    if cell.spread is None:
        return ""
    return f"spread {cell.spread:.2f} over {cell.seeds} seeds"


def _beside(cell: Cell, notes: Notes) -> str:
    doubts = notes.links(*(f"The {doubt}." for doubt in doubts_about(cell)))
    return tag("span", wording.printed(cell), doubts, class_="small")


def doubts_about(cell: Cell) -> list[str]:
    """What is to be said of the printed number itself."""
    return [*wording.lost(cell), *wording.contradicted(cell)]


def within(cell: Cell) -> str:
    if cell.interval is None:
        return ""
    return f"{cell.interval.low:.2f} to {cell.interval.high:.2f}"


def _boxes(contents: Contents, made: Table) -> Iterator[str]:
    for i, row in enumerate(made.spec.rows):
        for j, name in enumerate(made.measured.columns):
            cell = made.rows[i][j]
            if cell.measured is None:
                continue
            facts = parts.facts(_facts(made, row, name, cell))
            behind = (
                _mean(made, i)
                if j == len(made.spec.columns)
                else _verdicts(contents, contents.verdicts(made, i, j))
            )
            yield parts.box(box_of(made, i, j), f"{row.label}, {name}", facts, behind)


def _facts(made: Table, row: Row, name: str, cell: Cell) -> Iterator[Fact]:
    seeds = "1 seed" if cell.seeds == 1 else f"{cell.seeds} seeds"
    yield "Measured", f"{cell.measured:.2f} %, {seeds} {escape(_spread(cell))}"
    yield "95 % interval", f"{within(cell)} %, over {cell.images} test images"
    yield "In the paper", escape(wording.printed(cell).removeprefix("paper "))
    yield (
        "Red flags",
        parts.items(escape(wording.flag(raised)) for raised in cell.flags),
    )
    yield (
        "To be said",
        parts.items(escape(n) for n in [*doubts_about(cell), row.note or ""] if n),
    )
    named = row.dataset or made.spec.dataset
    used = made.spec.used(row)
    yield "Data set", escape(used if used == named else f"{used}, for {named}")
    if row.difference:
        yield "Difference", escape(f"{row.difference[0]} less {row.difference[1]}")
    else:
        yield "Defense", code(row.defense or "")
    threats = next((c.threats for c in made.spec.columns if c.label == name), [])
    worst = "the worst for each image of " if len(threats) > 1 else ""
    yield "Threat", worst + ", ".join(map(code, threats))
    yield "The whole chain", why(made.csv, f"{row.label}, {name}")


def _mean(made: Table, i: int) -> str:
    """An average stands on the other cells of its row."""
    links = (
        link(cell_at(box_of(made, i, j)), column.label)
        for j, column in enumerate(made.spec.columns)
    )
    return tag("p", "The mean, over the same images, of ", ", ".join(links), ".")


def _verdicts(contents: Contents, cards: Sequence[Path]) -> str:
    if len(cards) == 1:
        return verdict(contents, cards[0])
    return "".join(
        parts.details(_named(contents, c), verdict(contents, c)) for c in cards
    )


def _named(contents: Contents, card: Path) -> str:
    result = contents.results[card]
    return f"{result.name}: {result.card.metrics['accuracy']:.2f} %"
