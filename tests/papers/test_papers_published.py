"""What stands in the config is what the papers print: their texts are read again.

Nothing is transcribed here. A row's numbers stand in one line of its table, in order, and
that line's numbers are all in the config. Of tables that are turned around here, or that
were read out of order from the page, the numbers stand in the table's lines all together.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.config.paper_models import Table
from pipeline_steps.core.registry import ROOT
from pipeline_steps.papers.spec import Row
from pipeline_steps.papers.tables import ROUNDING

TEXTS = ROOT.parent / "shared" / "papers"
PAPERS = load_config("paper").papers
TABLES = [(paper, table) for paper in PAPERS for table in PAPERS[paper].tables]

ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V"}
CAPTION = re.compile(r"\s*table (\d|[IV]+)\b[.:]?(?! present)", re.IGNORECASE)
BELOW = {"atld table3", *(f"jat table{number}" for number in range(1, 8))}
SHUFFLED = {"ijsat table6", "atld table3", "jat table4", "jat table5"}
LONGEST = 30  # lines of a table, with blank ones

# Down arrows are minus signs; a number at the end of a name, as in JSA-50, is none.
NUMBER = re.compile(r"(↓?)(?<![\w.-])(\d+(?:\.\d+)?)(?!\w)")

DECIMAL = re.compile(r"(↓?)(\d+\.\d+)")

# Rows whose printed average contradicts their own numbers.
CONTRADICTED = {
    "table1": {"MART"},
    "table4": {"ε = 32/255"},
    "table5": {
        "AT",
        "AT + JSA",
        "AT: Difference",
        "TRADES",
        "TRADES + JSA",
        "TRADES: Difference",
        "MART",
        "MART + JSA",
        "MART: Difference",
    },
}


@cache
def lines(paper: str) -> list[str]:
    path = TEXTS / f"{paper}.txt"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path.read_text(encoding="utf-8").splitlines()


def region(paper: str, table: str) -> list[str]:
    """The lines between a table's caption and the next one, on the side of the table."""
    text, number = lines(paper), table.removeprefix("table")
    captions = {i: m[1] for i, line in enumerate(text) if (m := CAPTION.match(line))}
    own = [i for i, name in captions.items() if name in (number, ROMAN.get(number))]
    assert own, f"{paper} has no caption of {table}"
    at = own[0]
    if f"{paper} {table}" in BELOW:
        before = max((i for i in captions if i < at), default=0)
        return text[max(before, at - LONGEST) + 1 : at]
    after = min((i for i in captions if i > at), default=len(text))
    return text[at + 1 : min(after, at + LONGEST)]


def numbers(line: str) -> list[float]:
    return [-float(n) if sign else float(n) for sign, n in NUMBER.findall(line)]


def printed(row: Row) -> list[float]:
    told = [number for number in row.published if number is not None]
    average = row.published_average
    return [*told, *([] if average is None else [average])]


def in_order(few: Iterable[float], many: Iterable[float]) -> bool:
    left = iter(many)
    return all(number in left for number in few)


def line_of(row: Row, text: Sequence[str]) -> int | None:
    """The line with all words of a row's name and all its numbers, in order."""
    words = re.findall(r"[A-Za-z]{2,}", row.name)
    for i, line in enumerate(text):
        named = all(word.lower() in line.lower() for word in words)
        if named and in_order(printed(row), numbers(line)):
            return i
    return None


@pytest.mark.parametrize(("paper", "table"), TABLES, ids=lambda name: name)
def test_each_number_stands_in_its_table(paper: str, table: str) -> None:
    text = region(paper, table)
    rows = [row for row in PAPERS[paper].tables[table].rows if row.printed]
    if f"{paper} {table}" in SHUFFLED:
        told = Counter(number for row in rows for number in printed(row))
        there = Counter(number for line in text for number in numbers(line))
        assert told <= there, told - there
        return
    found: dict[int, list[float]] = {}
    for row in rows:
        line = line_of(row, text)
        assert line is not None, f"no line of {table} has {row.label} {printed(row)}"
        found.setdefault(line, []).extend(printed(row))
    for i, line in enumerate(text):
        decimals = [
            float(sign.replace("↓", "-") + n) for sign, n in DECIMAL.findall(line)
        ]
        if i in found:
            assert Counter(decimals) <= Counter(found[i]), line
        else:
            assert len(decimals) < 3 or len(line) > 150, f"not in the config: {line}"


def test_a_wrong_number_is_found() -> None:
    row = Row(name="AT [PGD-5]", defense="at", published=[84.15, 49.85])
    text = ["TRADES\t84.15\t49.85", "AT [PGD-5] [34]\t84.15\t49.85", "AT\t1.0"]
    assert line_of(row, text) == 1
    for wrong in ([84.15, 49.58], [49.85, 84.15], [5, 84.15, 49.85]):
        assert line_of(row.model_copy(update={"published": wrong}), text) is None
    assert numbers("Worse ↓1.4 ↑3.3 JSA-50 16/255 2.53 %") == [-1.4, 3.3, 16, 255, 2.53]


@pytest.mark.parametrize(
    "table", [name for name, t in PAPERS["ijsat"].tables.items() if t.average]
)
def test_averages_recompute_but_for_those_that_are_known(table: str) -> None:
    content: Table = PAPERS["ijsat"].tables[table]
    wrong = set()
    for row in content.rows:
        told = [number for number in row.published if number is not None]
        if row.published_average is None:
            assert len(told) < len(content.columns)
        elif abs(sum(told) / len(told) - row.published_average) > ROUNDING:
            wrong.add(row.label)
    assert wrong == CONTRADICTED.get(table, set())


def test_names_of_claims_are_their_own() -> None:
    for paper in PAPERS.values():
        names = [claim.name for claim in paper.claims]
        assert len(names) == len(set(names))
