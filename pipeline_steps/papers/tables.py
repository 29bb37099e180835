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
    differences,
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


@dataclass(frozen=True)
class Found:
    """What was measured: outcomes, and the metrics of the verdicts' cards, by seed."""

    outcomes: Mapping[Key, Outcomes]
    metrics: Mapping[Key, Sequence[Mapping[str, Any]]]

    def behind(self, spec: TableSpec, row: Row) -> list[Outcomes | None]:
        """The outcomes of a row's cells; in several threats, of the worst for an image."""
        keys = [
            [(spec.used(row), row.defense or "", threat) for threat in column.threats]
            if not spec.not_run(row, place)
            else []
            for place, column in enumerate(spec.columns)
        ]
        return [
            np.logical_and.reduce([self.outcomes[key] for key in some])
            if some and all(key in self.outcomes for key in some)
            else None
            for some in keys
        ]

    def red_flags(self, spec: TableSpec, row: Row) -> list[tuple[str, ...]]:
        """What is suspicious about a row's cells."""
        place = (spec.used(row), row.defense)
        own = {key[2]: o for key, o in self.outcomes.items() if key[:2] == place}
        cards = {t: joined(self.metrics[(place[0], place[1] or "", t)]) for t in own}
        flags = red_flags({threat: accuracy(o) for threat, o in own.items()}, cards)
        return [
            tuple(flag for threat in column.threats for flag in flags.get(threat, ()))
            for column in spec.columns
        ]


def cells(spec: TableSpec, found: Found) -> list[list[Cell]]:
    """All cells, row by row."""
    behind = {row.name: found.behind(spec, row) for row in reversed(spec.rows)}
    lines: list[list[Cell]] = []
    for row in spec.rows:
        if row.difference:
            less, than = (behind[name] for name in row.difference)
            measured = [
                None if one is None or other is None else differences(one, other)[None]
                for one, other in zip(less, than, strict=True)
            ]
            flags: list[tuple[str, ...]] = [()] * len(spec.columns)
        else:
            measured, flags = found.behind(spec, row), found.red_flags(spec, row)
        lines.append(list(_row(spec, row, measured, flags)))
    return lines


def _row(
    spec: TableSpec,
    row: Row,
    measured: Sequence[Outcomes | None],
    flags: Sequence[tuple[str, ...]],
) -> Iterator[Cell]:
    notes = (row.note,) if row.note else ()
    for place, column in enumerate(spec.columns):
        published, outcomes = row.published[place], measured[place]
        if outcomes is None:
            reason = spec.not_run(row, place) or "no verdicts were given"
            cell = Cell(row.label, column.label, published, not_run=reason)
        else:
            cell = _measured(row.label, column.label, published, outcomes)
            cell = replace(cell, red_flags=flags[place])
        yield replace(cell, notes=notes)
        notes = ()
    if spec.average:
        yield _average(spec, row, [o for o in measured if o is not None])


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
            row.label, name, row.published_average, not_run=reason, doubts=doubts
        )
    # The same images stand behind all columns, so they are resampled together.
    together = np.mean([o.astype(float) for o in measured], axis=0)
    cell = _measured(row.label, name, row.published_average, together)
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
