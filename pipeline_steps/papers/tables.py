"""Measures a published table, cell by cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline_steps.evaluation.red_flags import Flag, red_flags, worst_card
from pipeline_steps.papers.results import Cell, JudgedRun
from pipeline_steps.papers.spec import Column, Missing, NotRun, Row, TableSpec
from pipeline_steps.papers.statistics import (
    Interval,
    Key,
    Outcomes,
    accuracy,
    bootstrap,
    differences,
    interval,
    over_corruptions,
    spread,
)

# A printed mean may be off by half of its last digit.
ROUNDING = 0.005 + 1e-9


@dataclass(frozen=True)
class Measured:
    """What was measured for a cell, and by which jobs."""

    outcomes: Outcomes
    behind: tuple[Key, ...]
    paired: bool = False
    """Whether it is a difference, image by image."""

    @property
    def interval(self) -> Interval:
        if self.paired:
            return bootstrap(self.outcomes.mean(axis=0))
        return interval(self.outcomes)

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers of a cell that shows it."""
        return {
            "measured": accuracy(self.outcomes),
            "interval": self.interval,
            "spread": spread(self.outcomes),
            "images": self.outcomes.shape[1],
            "seeds": len(self.outcomes),
        }


@dataclass(frozen=True)
class Judged:
    """What the verdicts behind a table hold: outcomes, and what their cards say."""

    outcomes: Mapping[Key, Outcomes]
    metrics: Mapping[Key, Sequence[Mapping[str, Any]]]
    runs: Mapping[Key, Sequence[JudgedRun]] = field(default_factory=dict)
    threats: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """What each threat is."""

    def row(self, spec: TableSpec, row: Row) -> list[Measured | None]:
        """The outcomes of a row's cells.

        Of several threats it is the worst for an image, of corruptions the mean.
        """
        columns = enumerate(spec.columns)
        return [self._cell(column, spec.behind(row, i)) for i, column in columns]

    def _cell(self, column: Column, keys: Sequence[Key]) -> Measured | None:
        if not keys or not all(key in self.outcomes for key in keys):
            return None
        parts = [self.outcomes[key] for key in keys]
        join = over_corruptions if column.corruptions else np.logical_and.reduce
        return Measured(join(parts), tuple(keys))

    def red_flags(self, spec: TableSpec, row: Row) -> list[tuple[Flag, ...]]:
        """What is suspicious about a row's cells."""
        prefix = (spec.used(row), spec.judged(row))
        own = {key[2]: o for key, o in self.outcomes.items() if key[:2] == prefix}
        cards = {t: worst_card(self.metrics[*prefix, t]) for t in own}
        threats = {t: self.threats.get((*prefix, t), {}) for t in own}
        left = {threat: accuracy(o) for threat, o in own.items()}
        flags = red_flags(left, cards, threats)
        return [
            self._of_corruptions(spec.behind(row, i))
            if column.corruptions
            else tuple(
                flag for threat in column.threats for flag in flags.get(threat, ())
            )
            for i, column in enumerate(spec.columns)
        ]

    def _of_corruptions(self, keys: Sequence[Key]) -> tuple[Flag, ...]:
        """What only the cards of the corrupted test sets can tell."""
        cards = [card for key in keys for card in self.metrics.get(key, ())]
        if not cards:
            return ()
        threats = {key[2]: self.threats.get(key, {}) for key in keys}
        flags = red_flags({}, dict.fromkeys(threats, worst_card(cards)), threats)
        return tuple(flag for of_threat in flags.values() for flag in of_threat)

    def behind(self, measured: Measured) -> tuple[JudgedRun, ...]:
        return tuple(run for key in measured.behind for run in self.runs.get(key, ()))


def cells(spec: TableSpec, judged: Judged) -> list[list[Cell]]:
    """All cells, row by row."""
    # Of two rows of one name a difference means the first.
    rows = {row.name: judged.row(spec, row) for row in reversed(spec.rows)}
    return [[*_row(spec, row, judged, rows)] for row in spec.rows]


def _row(
    spec: TableSpec,
    row: Row,
    judged: Judged,
    rows: Mapping[str, Sequence[Measured | None]],
) -> Iterator[Cell]:
    flags: list[tuple[Flag, ...]] = [()] * len(spec.columns)
    if row.difference:
        less, than = (rows[name] for name in row.difference)
        measured = [_less(*pair) for pair in zip(less, than, strict=True)]
    else:
        measured, flags = judged.row(spec, row), judged.red_flags(spec, row)
    for i, (column, outcome) in enumerate(zip(spec.columns, measured, strict=True)):
        facts: dict[str, Any] = {
            "method": row.label,
            "column": column.label,
            "kind": "difference" if row.difference else "accuracy",
            "published": row.published[i],
            "calibrated": column.calibrated,
            "lost": row.lost_in(column.label, row.published[i]),
            "notes": (*filter(None, (row.doubt, row.note)),) if i == 0 else (),
        }
        if outcome is None:
            none_given = NotRun(kind=Missing.NO_VERDICTS)
            yield Cell(**facts, not_run=spec.missing(row, i) or none_given)
        else:
            runs = judged.behind(outcome)
            yield Cell(**facts, **outcome.facts, flags=flags[i], runs=runs)
    if spec.average:
        yield _average(
            spec,
            row,
            judged,
            [known for known in measured if known is not None],
        )


def _less(left: Measured | None, right: Measured | None) -> Measured | None:
    if left is None or right is None:
        return None
    if len(left.outcomes) == len(right.outcomes):
        less = left.outcomes.astype(float) - right.outcomes
    else:
        less = differences(left.outcomes, right.outcomes)[None]
    return Measured(less, left.behind + right.behind, paired=True)


def _average(
    spec: TableSpec, row: Row, judged: Judged, measured: Sequence[Measured]
) -> Cell:
    """The mean over the columns, recomputed; half a row has none."""
    name = spec.average or ""
    facts: dict[str, Any] = {
        "method": row.label,
        "column": name,
        "kind": "average",
        "published": row.published_average,
        "calibrated": any(column.calibrated for column in spec.columns),
        "lost": row.lost_in(name, row.published_average),
        "printed_mean": _printed_mean(spec, row),
    }
    if len(measured) < len(spec.columns):
        if row.not_run:
            why = NotRun(kind=Missing.ROW, reason=row.not_run)
        else:
            why = NotRun(
                kind=Missing.INCOMPLETE,
                measured=len(measured),
                columns=len(spec.columns),
            )
        return Cell(**facts, not_run=why)
    if len({cell.outcomes.shape for cell in measured}) > 1:
        return Cell(**facts, not_run=NotRun(kind=Missing.OTHER_IMAGES))
    # The same images stand behind all columns, so they are resampled together.
    together = np.mean([cell.outcomes.astype(float) for cell in measured], axis=0)
    behind = tuple(key for cell in measured for key in cell.behind)
    mean = Measured(together, behind, paired=bool(row.difference))
    return Cell(**facts, **mean.facts, runs=judged.behind(mean))


def _printed_mean(spec: TableSpec, row: Row) -> float | None:
    """The mean of the printed numbers, where the printed average is off."""
    printed = [number for number in row.published if number is not None]
    if row.published_average is None or len(printed) < len(spec.columns):
        return None
    mean = sum(printed) / len(printed)
    return mean if abs(mean - row.published_average) > ROUNDING else None
