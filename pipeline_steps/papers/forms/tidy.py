"""Tables and claims as CSV for people and spreadsheets, a line for each cell or claim."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline_steps.core.lines import write_lines
from pipeline_steps.papers import wording
from pipeline_steps.papers.results import Cell, DecidedClaim, MeasuredTable
from pipeline_steps.papers.wording import decimals

TABLE_COLUMNS = (
    "scale",
    "method",
    "column",
    "published",
    "measured",
    "low",
    "high",
    "deviation",
    "images",
    "seeds",
    "dataset",
    "defense",
    "threat",
    "verdicts",
    "cards",
    "flags",
)
CLAIM_COLUMNS = (
    "paper",
    "claim",
    "place",
    "says",
    "ours",
    "outcome",
    "trainings",
    "papers_size",
    "p",
    "detail",
    "printed",
)


def write_table(table: MeasuredTable, path: Path) -> None:
    lines = (cell_line(table.spec.scale, cell) for row in table.cells for cell in row)
    write_lines(path, TABLE_COLUMNS, lines)


def cell_line(scale: str, cell: Cell) -> dict[str, Any]:
    low, high = cell.interval or (None, None)
    dataset, defense, threat = wording.behind(cell)
    return {
        "scale": scale,
        "method": cell.method,
        "column": cell.column,
        "published": decimals(cell.published),
        "measured": decimals(cell.measured),
        "low": decimals(low),
        "high": decimals(high),
        "deviation": decimals(cell.spread),
        "images": cell.images or "",
        "seeds": cell.seeds or "",
        "dataset": dataset,
        "defense": defense,
        "threat": threat,
        "verdicts": " ".join(run.file for run in cell.runs),
        "cards": " ".join(run.card for run in cell.runs),
        "flags": "; ".join(wording.remarks(cell)),
    }


def write_claims(claims: Iterable[DecidedClaim], path: Path) -> None:
    write_lines(path, CLAIM_COLUMNS, map(claim_line, claims))


def claim_line(claim: DecidedClaim) -> dict[str, Any]:
    plain = claim.model_dump(mode="json", include={*CLAIM_COLUMNS})
    yes_or_no = {key: str(plain[key]).lower() for key in ("ours", "papers_size")}
    p = "" if claim.p is None else f"{claim.p:.3g}"
    return plain | yes_or_no | {"p": p, "detail": wording.detail(claim)}
