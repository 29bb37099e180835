"""What the report shows, read from tables, claims, and the cards of all results."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline_steps.core.card import Card, read_card
from pipeline_steps.core.files import read_json
from pipeline_steps.core.lines import read_lines
from pipeline_steps.layout import REPORTED, name_of
from pipeline_steps.papers.decided import DecidedClaim
from pipeline_steps.papers.report.parts import short
from pipeline_steps.papers.spec import Column, FigureSpec, Row, TableSpec

RED_FLAG = "red flag: "
NOT_RUN = "not run: "


@dataclass(frozen=True)
class Result:
    """A card, and the record of the run that made it, if that lies beside."""

    path: Path
    card: Card
    record: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Result":
        beside = path.with_suffix(".record.json")
        return cls(path, read_card(path), read_json(beside) if beside.is_file() else {})

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def seconds(self) -> float:
        return float(self.record.get("seconds", 0))

    def behind(self, name: str) -> list[Path]:
        """The cards that it was made from, by their name among its inputs."""
        return self.card.input_files(self.path).get(f"{name}_card", [])


def behind(pages: Iterable[Path]) -> list[Path]:
    """The cards of all results that stand behind the cards of pages."""
    waiting, found = list(pages), set[Path]()
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():
            found.add(path)
            files = read_card(path).input_files(path).values()
            waiting += [one for some in files for one in some if one.suffix == ".json"]
    return sorted(p for p in found if name_of(p).partition("/")[0] in REPORTED)


@dataclass(frozen=True)
class Number:
    """A cell of a table, as its tidy file tells it."""

    published: float | None
    measured: float | None
    low: float | None
    high: float | None
    deviation: float | None
    """Between seeds, where there are several."""
    images: str
    seeds: str
    not_run: str
    """Why it was not measured, if it was not."""
    said: tuple[str, ...]
    """Red flags and doubts, each a clause."""
    cards: tuple[str, ...]
    """Those of the verdicts behind it, as they lie from the table."""

    @classmethod
    def read(
        cls, line: dict[str, str], why_not: str | None, note: str | None
    ) -> "Number":
        """From a line of the file; a note of the whole row stands elsewhere."""
        said = line["flags"]
        for known in filter(
            None, (why_not, note)
        ):  # a sentence may hold what parts clauses
            said = said.replace(known, "")
        numbers = {
            name: float(line[name]) if line[name] else None
            for name in ("published", "measured", "low", "high", "deviation")
        }
        clauses = tuple(filter(None, said.split("; ")))
        rest = (c.removeprefix(NOT_RUN) for c in clauses if c.startswith(NOT_RUN))
        return cls(
            **numbers,
            images=line["images"],
            seeds=line["seeds"],
            not_run=why_not or "".join(rest),
            said=clauses,
            cards=tuple(line["cards"].split()),
        )

    @property
    def difference(self) -> float | None:
        """Measured less published, as both are printed."""
        if self.measured is None or self.published is None:
            return None
        return self.measured - self.published

    @property
    def red_flags(self) -> list[str]:
        return [c.removeprefix(RED_FLAG) for c in self.said if c.startswith(RED_FLAG)]

    @property
    def doubts(self) -> list[str]:
        """What contradicts the printed number itself, and what else there is to say."""
        others = (RED_FLAG, NOT_RUN)
        return [clause for clause in self.said if not clause.startswith(others)]

    @property
    def spread(self) -> str:
        if self.deviation is None:
            return ""
        return f"spread {self.deviation:.2f} over {self.seeds} seeds"


@dataclass(frozen=True)
class Table:
    """A table that was made: its file and its card."""

    csv: Path
    result: Result

    @cached_property
    def spec(self) -> TableSpec:
        return TableSpec.model_validate(self.result.card.spec)

    @property
    def place(self) -> str:
        return f"{self.spec.paper}/{self.spec.table}"

    @property
    def columns(self) -> list[str]:
        average = [self.spec.average] if self.spec.average else []
        return [*(column.label for column in self.spec.columns), *average]

    @cached_property
    def rows(self) -> list[list[Number]]:
        lines = {(one["method"], one["column"]): one for one in read_lines(self.csv)}
        return [[*self._row(row, lines)] for row in self.spec.rows]

    def _row(
        self, row: Row, lines: dict[tuple[str, str], dict[str, str]]
    ) -> Iterator[Number]:
        places = range(len(self.spec.columns))
        reasons = [*(self.spec.not_run(row, place) for place in places), row.not_run]
        for name, why_not in zip(self.columns, reasons, strict=False):
            yield Number.read(lines[row.label, name], why_not, row.note)

    def printed(self) -> Iterator[Number]:
        """Cells with a printed number, averages left out, for they are recomputed."""
        for row in self.rows:
            cells = row[: len(self.spec.columns)]
            yield from (cell for cell in cells if cell.published is not None)

    def notes(self) -> Iterator[tuple[str, str]]:
        """What contradicts the numbers of a row or a column, by its name."""
        parts: list[Row | Column] = [*self.spec.rows, *self.spec.columns]
        for part in parts:
            if part.note:
                yield f"{short(self.spec.title)}, {part.label}", part.note


@dataclass(frozen=True)
class Figure:
    """A figure that was made, and its card."""

    png: Path
    result: Result

    @cached_property
    def spec(self) -> FigureSpec:
        return FigureSpec.model_validate(self.result.card.spec)

    @property
    def place(self) -> str:
        return f"{self.spec.paper}/{self.spec.name}"


@dataclass(frozen=True)
class Contents:
    """All that a scale has made."""

    scale: str
    scale_title: str
    tables: list[Table]
    figures: list[Figure]
    claims: list[DecidedClaim]
    results: dict[Path, Result]
    """What pages rest on, by the places of the cards."""

    def of(self, paper: str) -> "Contents":
        """The same of one paper."""
        return Contents(
            self.scale,
            self.scale_title,
            [one for one in self.tables if one.spec.paper == paper],
            [one for one in self.figures if one.spec.paper == paper],
            [one for one in self.claims if one.paper == paper],
            self.results,
        )

    def verdicts(self, table: Table, i: int, j: int) -> list[Path]:
        """The cards of the verdicts behind a cell, as its table tells them."""
        places = (table.csv.parent / card for card in table.rows[i][j].cards)
        return [Path(os.path.normpath(place)) for place in places]

    def model(self, verdict: Path) -> Result | None:
        """The training behind a verdict."""
        cards = self.results[verdict].behind("weights")
        return next((self.results[c] for c in cards if c in self.results), None)
