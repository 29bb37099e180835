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
from pipeline_steps.config.papers import Table
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


def printed(row: Row, table: Table) -> list[float]:
    """A row's numbers as they stand in the text, where some were lost."""
    labels = [*(column.label for column in table.columns), table.average]
    numbers = zip(labels, [*row.published, row.published_average], strict=True)
    return [n for label, n in numbers if n is not None and label not in row.lost]


def in_order(few: Iterable[float], many: Iterable[float]) -> bool:
    left = iter(many)
    return all(number in left for number in few)


def line_of(row: Row, told: Sequence[float], text: Sequence[str]) -> int | None:
    """The line with all words of a row's name and all its numbers, in order."""
    words = re.findall(r"[A-Za-z]{2,}", row.name)
    for i, line in enumerate(text):
        named = all(word.lower() in line.lower() for word in words)
        if named and in_order(told, numbers(line)):
            return i
    return None


@pytest.mark.parametrize(("paper", "table"), TABLES, ids=lambda name: name)
def test_each_number_stands_in_its_table(paper: str, table: str) -> None:
    text, content = region(paper, table), PAPERS[paper].tables[table]
    rows = [(row, printed(row, content)) for row in content.rows if row.printed]
    if f"{paper} {table}" in SHUFFLED:
        told = Counter(number for _, own in rows for number in own)
        there = Counter(number for line in text for number in numbers(line))
        assert told <= there, told - there
        return
    found: dict[int, list[float]] = {}
    for row, own in rows:
        line = line_of(row, own, text)
        assert line is not None, f"no line of {table} has {row.label} {own}"
        found.setdefault(line, []).extend(own)
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
    assert line_of(row, [84.15, 49.85], text) == 1
    for wrong in ([84.15, 49.58], [49.85, 84.15], [5, 84.15, 49.85]):
        assert line_of(row, wrong, text) is None
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


def test_what_table_6_lost_follows_from_table_1_and_appendix_a_2() -> None:
    table1, table6 = (PAPERS["ijsat"].tables[f"table{n}"] for n in (1, 6))
    (before,) = [row for row in table1.rows if row.defense == "dmat"]
    dmat, jsa, difference = table6.rows
    assert (dmat.published, dmat.published_average) == (
        before.published,
        before.published_average,
    )
    pairs = zip(jsa.published, dmat.published, strict=True)
    assert difference.published == [round((a or 0) - (b or 0), 2) for a, b in pairs]
    assert difference.published[0] == 3.72  # A.2 says it
    assert difference.published_average == 0.63
    kept = {"AA", "JSA-50", "Elastic"}  # these are in the text, and so agree with it
    labels = {column.label for column in table6.columns} | {"Avg"}
    assert {*dmat.lost} == {*difference.lost} == labels - kept
    assert not jsa.lost
