"""A published table with what was measured beside it, cell by cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline_steps.evaluation.red_flags import joined, red_flags
from pipeline_steps.papers.spec import Row, TableSpec
from pipeline_steps.papers.statistics import (
    Interval,
    Key,
    Outcomes,
    accuracy,
    interval,
    spread,
)

COLUMNS = (
    "method",
    "column",
    "published",
    "measured",
    "low",
    "high",
    "images",
    "seeds",
    "flags",
)

# A printed mean may be off by half of its last digit.
ROUNDING = 0.005 + 1e-9


@dataclass(frozen=True)
class Cell:
    """One number of a table: as printed, as measured, and what is to be said of it."""

    method: str
    column: str
    published: float | None
    measured: float | None = None
    interval: Interval | None = None
    spread: float | None = None
    images: int = 0
    seeds: int = 0
    not_run: str | None = None
    red_flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """What contradicts the printed number itself."""

    @property
    def difference(self) -> float | None:
        """Measured less published, as both are printed."""
        if self.measured is None or self.published is None:
            return None
        return round(self.measured, 2) - self.published

    @property
    def flags(self) -> list[str]:
        """All that is to be said of the number, in words."""
        said = [f"not run: {self.not_run}"] if self.not_run else []
        said += [f"red flag: {flag}" for flag in self.red_flags]
        if self.spread is not None:
            said.append(f"spread {self.spread:.2f} over {self.seeds} seeds")
        return [*said, *self.notes, *self.doubts]

    def record(self) -> dict[str, Any]:
        """The cell as one line of the tidy file."""
        low, high = self.interval or (None, None)
        return {
            "method": self.method,
            "column": self.column,
            "published": decimals(self.published),
            "measured": decimals(self.measured),
            "low": decimals(low),
            "high": decimals(high),
            "images": self.images or "",
            "seeds": self.seeds or "",
            "flags": "; ".join(self.flags),
        }


def decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


def cells(
    spec: TableSpec,
    outcomes: Mapping[Key, Outcomes],
    metrics: Mapping[Key, Sequence[Mapping[str, Any]]],
) -> list[list[Cell]]:
    """All cells, row by row; `metrics` are those of the verdicts' cards, by seed."""
    return [list(_row(spec, row, outcomes, metrics)) for row in spec.rows]


def _row(
    spec: TableSpec,
    row: Row,
    outcomes: Mapping[Key, Outcomes],
    metrics: Mapping[Key, Sequence[Mapping[str, Any]]],
) -> Iterator[Cell]:
    own = {t: o for (_, defense, t), o in outcomes.items() if defense == row.defense}
    cards = {t: joined(metrics[(spec.dataset, row.defense or "", t)]) for t in own}
    flags = red_flags({threat: accuracy(o) for threat, o in own.items()}, cards)
    notes = (row.note,) if row.note else ()
    measured: list[Outcomes] = []
    for column, published in zip(spec.columns, row.published, strict=True):
        found = own.get(column.threat or "")
        if found is None:
            reason = row.not_run or column.not_run or "no verdicts were given"
            yield Cell(row.name, column.name, published, not_run=reason, notes=notes)
        else:
            measured.append(found)
            cell = _measured(row.name, column.name, published, found)
            red = tuple(flags[column.threat or ""])
            yield replace(cell, red_flags=red, notes=notes)
        notes = ()
    if spec.average:
        yield _average(spec, row, measured)


def _measured(
    method: str,
    column: str,
    published: float | None,
    outcomes: Outcomes,
) -> Cell:
    return Cell(
        method=method,
        column=column,
        published=published,
        measured=accuracy(outcomes),
        interval=interval(outcomes),
        spread=spread(outcomes),
        images=outcomes.shape[1],
        seeds=len(outcomes),
    )


def _average(spec: TableSpec, row: Row, measured: list[Outcomes]) -> Cell:
    """The mean over the columns, recomputed; half a row has none."""
    name = spec.average or ""
    doubts: tuple[str, ...] = ()
    printed = [number for number in row.published if number is not None]
    if row.published_average is not None and len(printed) == len(spec.columns):
        mean = sum(printed) / len(printed)
        if abs(mean - row.published_average) > ROUNDING:
            doubts = (f"published average is not the mean of its row ({mean:.2f})",)
    if len(measured) < len(spec.columns):
        reason = row.not_run or (
            f"{len(measured)} of {len(spec.columns)} columns measured"
        )
        return Cell(
            row.name, name, row.published_average, not_run=reason, doubts=doubts
        )
    # The same images stand behind all columns, so they are resampled together.
    together = np.mean([o.astype(float) for o in measured], axis=0)
    cell = _measured(row.name, name, row.published_average, together)
    return replace(cell, doubts=doubts)


class Footnotes:
    """Letters for what is said below a table; the same words share a letter."""

    def __init__(self) -> None:
        self.letters: dict[str, str] = {}

    def mark(self, *sentences: str) -> str:
        """The letters of these sentences, each made when it is first asked for."""
        for sentence in sentences:
            i = len(self.letters)
            letter = "abcdefghijklmnopqrstuvwxyz"[i % 26] * (i // 26 + 1)
            self.letters.setdefault(sentence, letter)
        return ",".join(self.letters[sentence] for sentence in sentences)
