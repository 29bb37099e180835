"""What the report shows, read from tables, claims, and the cards of all results."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline_steps.core.card import Card, read_card
from pipeline_steps.core.digest import spec_text, text_digest
from pipeline_steps.core.files import read_json
from pipeline_steps.layout import REPORTED, name_of
from pipeline_steps.papers.results import (
    Cell,
    DecidedClaim,
    MeasuredTable,
    read_results,
)
from pipeline_steps.papers.spec import FigureSpec, TableSpec

# Letters of a digest to show.
DIGITS = 12


@dataclass(frozen=True)
class Result:
    """A card, and the record of the run that made it, if there is one."""

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

    @property
    def anchor(self) -> str:
        """Its address in the report, if it has one."""
        return f"card/{self.name}"

    @property
    def numbers(self) -> list[str]:
        """The numbers on its card, each with its name."""
        metrics = self.card.metrics.items()
        return [f"{k} {_number(v)}" for k, v in metrics if isinstance(v, int | float)]

    @property
    def code(self) -> str:
        """The digest of its code, or nothing."""
        return str(self.card.code.get("digest", ""))[:DIGITS]

    @property
    def settings(self) -> str:
        """The digest of its settings."""
        return text_digest(spec_text(self.card.spec))[:DIGITS]

    @property
    def files(self) -> list[tuple[str, Path, str]]:
        """The role, path and digest of each of its files."""
        return [
            (role, path, self.card.outputs[role]["sha256"][:DIGITS])
            for role, path in self.card.files(self.path).items()
        ]

    def behind(self, name: str) -> list[Path]:
        """The cards that it was made from, by their name among its inputs."""
        return self.card.input_files(self.path).get(f"{name}_card", [])


def _number(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def behind(pages: Iterable[Path]) -> list[Path]:
    """The cards of all results behind the pages' cards."""
    waiting, seen = list(pages), set[Path]()
    while waiting:
        path = waiting.pop()
        if path not in seen and path.is_file():
            seen.add(path)
            files = read_card(path).input_files(path).values()
            waiting += [p for paths in files for p in paths if p.suffix == ".json"]
    return sorted(p for p in seen if name_of(p).partition("/")[0] in REPORTED)


def cell_anchor(table: str, row: int, column: int) -> str:
    """The address of the box behind a row's and a column's cell."""
    return f"{table}/{row}/{column}"


@dataclass(frozen=True)
class Table:
    """A table that was made: its results and its card."""

    path: Path
    result: Result

    @cached_property
    def measured(self) -> MeasuredTable:
        return read_results(self.path, MeasuredTable)

    @property
    def spec(self) -> TableSpec:
        return self.measured.spec

    @property
    def rows(self) -> list[list[Cell]]:
        return self.measured.cells

    @property
    def csv(self) -> Path:
        """The table as people know it by name."""
        return self.result.card.files(self.result.path)["csv"]

    @property
    def anchor(self) -> str:
        return f"{self.spec.paper}/{self.spec.table}"


@dataclass(frozen=True)
class Figure:
    """A figure that was made, and its card."""

    png: Path
    result: Result

    @cached_property
    def spec(self) -> FigureSpec:
        return FigureSpec.model_validate(self.result.card.spec)

    @property
    def anchor(self) -> str:
        return f"{self.spec.paper}/{self.spec.name}"

    @property
    def stand_ins(self) -> dict[str, str]:
        """What was used in place of the data sets that the paper names."""
        spec, stand_ins = self.spec, dict(self.spec.stand_ins)
        if spec.dataset and spec.stands_for and spec.dataset != spec.stands_for:
            stand_ins[spec.stands_for] = spec.dataset
        return stand_ins


@dataclass(frozen=True)
class Contents:
    """Everything that a scale made."""

    scale: str
    scale_title: str
    tables: list[Table]
    figures: list[Figure]
    claims: list[DecidedClaim]
    results: dict[Path, Result]
    """The results behind the pages, by the paths of their cards."""

    def of(self, paper: str) -> "Contents":
        """The same of one paper."""
        return Contents(
            self.scale,
            self.scale_title,
            [item for item in self.tables if item.spec.paper == paper],
            [item for item in self.figures if item.spec.paper == paper],
            [item for item in self.claims if item.paper == paper],
            self.results,
        )

    def behind_cell(self, table: Table, cell: Cell) -> list[Path]:
        """The cards of the verdicts behind a cell, as its table lists them."""
        paths = (table.path.parent / run.card for run in cell.runs)
        return [Path(os.path.normpath(path)) for path in paths]

    def model(self, verdict: Path) -> Result | None:
        """The training behind a verdict."""
        cards = self.results[verdict].behind("weights")
        return next((self.results[c] for c in cards if c in self.results), None)
