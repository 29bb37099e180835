"""A published table with what was measured beside it, cell by cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from pipeline_steps.evaluation.red_flags import joined, red_flags
from pipeline_steps.papers.spec import Column, Row, TableSpec
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

COLUMNS = (
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

# A printed mean may be off by half of its last digit.
ROUNDING = 0.005 + 1e-9


class Verdicts(NamedTuple):
    """A file of verdicts and its card, as they lie from the table."""

    file: str
    card: str


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
    behind: tuple[Key, ...] = ()
    """Data set, defense and threat of every job that it comes from."""
    verdicts: tuple[Verdicts, ...] = ()

    @property
    def source(self) -> str:
        """Which defense under which threat on which data set, in words."""
        dataset, defense, threat = self._behind()
        return f"{defense} under {threat} on {dataset}"

    def _behind(self) -> list[str]:
        """Its data sets, defenses and threats, each once."""
        kinds = zip(*self.behind, strict=True) if self.behind else [()] * 3
        return [" ".join(dict.fromkeys(names)) for names in kinds]

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
        return [*said, *self.notes, *self.doubts]

    def record(self) -> dict[str, Any]:
        """The cell as one line of the tidy file."""
        low, high = self.interval or (None, None)
        dataset, defense, threat = self._behind()
        return {
            "method": self.method,
            "column": self.column,
            "published": decimals(self.published),
            "measured": decimals(self.measured),
            "low": decimals(low),
            "high": decimals(high),
            "deviation": decimals(self.spread),
            "images": self.images or "",
            "seeds": self.seeds or "",
            "dataset": dataset,
            "defense": defense,
            "threat": threat,
            "verdicts": " ".join(one.file for one in self.verdicts),
            "cards": " ".join(one.card for one in self.verdicts),
            "flags": "; ".join(self.flags),
        }


def decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


@dataclass(frozen=True)
class Found:
    """What was measured: outcomes, the metrics of the verdicts' cards, and the files."""

    outcomes: Mapping[Key, Outcomes]
    metrics: Mapping[Key, Sequence[Mapping[str, Any]]]
    files: Mapping[Key, Sequence[Verdicts]] = field(default_factory=dict)
    threats: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """What each threat is, as the verdicts' cards tell it."""

    def behind(self, spec: TableSpec, row: Row) -> list[Measured | None]:
        """The outcomes of a row's cells.

        Of several threats it is the worst for an image, of corruptions the mean.
        """
        columns = enumerate(spec.columns)
        return [self._one(column, spec.behind(row, i)) for i, column in columns]

    def _one(self, column: Column, keys: Sequence[Key]) -> Measured | None:
        if not keys or not all(key in self.outcomes for key in keys):
            return None
        parts = [self.outcomes[key] for key in keys]
        join = over_corruptions if column.corruptions else np.logical_and.reduce
        return Measured(join(parts), tuple(keys))

    def red_flags(self, spec: TableSpec, row: Row) -> list[tuple[str, ...]]:
        """What is suspicious about a row's cells."""
        place = (spec.used(row), spec.judged(row))
        own = {key[2]: o for key, o in self.outcomes.items() if key[:2] == place}
        cards = {t: joined(self.metrics[*place, t]) for t in own}
        threats = {t: self.threats.get((*place, t), {}) for t in own}
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

    def _of_corruptions(self, keys: Sequence[Key]) -> tuple[str, ...]:
        """What only the cards of the corrupted test sets can tell."""
        cards = [card for key in keys for card in self.metrics.get(key, ())]
        told = {key[2]: self.threats.get(key, {}) for key in keys}
        flags = red_flags({}, dict.fromkeys(told, joined(cards)), told) if cards else {}
        return tuple(flag for told in flags.values() for flag in told)


def cells(spec: TableSpec, found: Found) -> list[list[Cell]]:
    """All cells, row by row."""
    behind = {row.name: found.behind(spec, row) for row in reversed(spec.rows)}
    lines: list[list[Cell]] = []
    for row in spec.rows:
        if row.difference:
            less, than = (behind[name] for name in row.difference)
            measured = [_less(*pair) for pair in zip(less, than, strict=True)]
            flags: list[tuple[str, ...]] = [()] * len(spec.columns)
        else:
            measured, flags = found.behind(spec, row), found.red_flags(spec, row)
        made = _row(spec, row, measured, flags)
        lines.append([_with_files(cell, found) for cell in made])
    return lines


def _less(one: Measured | None, other: Measured | None) -> Measured | None:
    if one is None or other is None:
        return None
    if len(one.outcomes) == len(other.outcomes):
        less = one.outcomes.astype(float) - other.outcomes
    else:
        less = differences(one.outcomes, other.outcomes)[None]
    return Measured(less, one.behind + other.behind, paired=True)


def _with_files(cell: Cell, found: Found) -> Cell:
    files = [one for key in cell.behind for one in found.files.get(key, ())]
    return replace(cell, verdicts=tuple(files))


def _row(
    spec: TableSpec,
    row: Row,
    measured: Sequence[Measured | None],
    flags: Sequence[tuple[str, ...]],
) -> Iterator[Cell]:
    notes = (row.note,) if row.note else ()
    for place, column in enumerate(spec.columns):
        published, what = row.published[place], measured[place]
        if what is None:
            reason = spec.not_run(row, place) or "no verdicts were given"
            cell = Cell(row.label, column.label, published, not_run=reason)
        else:
            cell = _measured(row.label, column.label, published, what)
            cell = replace(cell, red_flags=flags[place])
        yield replace(cell, notes=(*notes, *row.word_on(column.label, published)))
        notes = ()
    if spec.average:
        cell = _average(spec, row, [one for one in measured if one is not None])
        word = row.word_on(spec.average, row.published_average)
        yield replace(cell, notes=word)


def _measured(
    method: str, column: str, published: float | None, what: Measured
) -> Cell:
    return Cell(
        method=method,
        column=column,
        published=published,
        measured=accuracy(what.outcomes),
        interval=what.interval,
        spread=spread(what.outcomes),
        images=what.outcomes.shape[1],
        seeds=len(what.outcomes),
        behind=what.behind,
    )


def _average(spec: TableSpec, row: Row, measured: list[Measured]) -> Cell:
    """The mean over the columns, recomputed; half a row has none."""
    name = spec.average or ""
    doubts: tuple[str, ...] = ()
    printed = [number for number in row.published if number is not None]
    if row.published_average is not None and len(printed) == len(spec.columns):
        mean = sum(printed) / len(printed)
        if abs(mean - row.published_average) > ROUNDING:
            doubts = (f"published average is not the mean of its row ({mean:.2f})",)
    reason = None
    if len(measured) < len(spec.columns):
        reason = row.not_run or (
            f"{len(measured)} of {len(spec.columns)} columns measured"
        )
    elif len({one.outcomes.shape for one in measured}) > 1:
        reason = "the columns were measured on different images"
    if reason:
        return Cell(
            row.label, name, row.published_average, not_run=reason, doubts=doubts
        )
    # The same images stand behind all columns, so they are resampled together.
    together = np.mean([one.outcomes.astype(float) for one in measured], axis=0)
    behind = tuple(key for one in measured for key in one.behind)
    whole = Measured(together, behind, paired=bool(row.difference))
    cell = _measured(row.label, name, row.published_average, whole)
    return replace(cell, doubts=doubts)
