"""What every form of a table says: its title, its warning, how it is read, its notes."""

from pipeline_steps.papers.footnotes import Footnotes
from pipeline_steps.papers.spec import Column, Row, TableSpec
from pipeline_steps.papers.statistics import FEW, Interval
from pipeline_steps.papers.style import paper_name, standing_in
from pipeline_steps.papers.tables import Cell

CALIBRATED = (
    "Setting not stated: the paper leaves this attack's strength open, and ours is a "
    "choice, to be calibrated on AT and Normal Training alone."
)


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


def legend(rows: list[list[Cell]], measured: str, printed: str) -> str:
    """How a cell is to be read: where stands what was measured, and what is printed."""
    images = sorted({cell.images for row in rows for cell in row if cell.images})
    counted = " and ".join(f"{number:,}" for number in images) or "no"
    text = (
        f"Accuracy in percent. {measured}: measured here on {counted} test images, with "
        "its 95 % interval over the images (bootstrap; exact where fewer than "
        f"{FEW} images are right or wrong). {printed}."
    )
    seeds = {cell.seeds for row in rows for cell in row if cell.seeds}
    if seeds - {1}:
        text += " ±: the standard deviation between seeds."
    if 1 in seeds:
        whose = "Numbers without ± are" if seeds - {1} else "Each number is"
        text += f" {whose} of one training; what another seed would give is not known."
    return text


def marks(part: Row | Column, notes: Footnotes) -> str:
    """The letters of what is to be said of a whole row or column."""
    said = [f"Not run: {part.not_run}."] if part.not_run else []
    if isinstance(part, Column) and part.calibrated:
        said.append(CALIBRATED)
    return notes.mark(*said, *filter(None, [part.note]))


def cell_marks(cell: Cell, notes: Footnotes) -> tuple[str, str]:
    """The letters of a cell's red flags, and of what contradicts its printed number."""
    flags = notes.mark(*(f"Red flag: {flag}." for flag in cell.red_flags))
    return flags, notes.mark(*(f"The {note}." for note in cell.doubts))


def printed(cell: Cell) -> str:
    if cell.published is None:
        return ""
    difference = "" if cell.difference is None else f" ({cell.difference:+.2f})"
    return f"paper {cell.published:.2f}{difference}"


def beside(cell: Cell, within: Interval, digits: int) -> list[str]:
    """What stands small beside a measured number."""
    said = [f"{within.low:.{digits}f} to {within.high:.{digits}f}"]
    return said if cell.spread is None else [f"± {cell.spread:.2f}", *said]
