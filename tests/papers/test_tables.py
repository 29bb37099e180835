"""Every cell says what was printed, what was measured, and what is in doubt."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from pipeline_steps.papers.make_table import as_page, draw
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.statistics import Key, Outcomes
from pipeline_steps.papers.tables import COLUMNS, Cell, Footnotes, Found, cells

IMAGES = 200


def spec(**changes: Any) -> TableSpec:
    content = {
        "paper": "ijsat",
        "table": "table1",
        "title": "Table 1: accuracy",
        "scale": "demo",
        "scale_title": "minutes on two cores",
        "dataset": "cifar10",
        "stand_ins": {"cifar10": "digits"},
        "average": "Avg",
        "columns": [
            {"name": "Standard", "threat": "clean"},
            {"name": "PGD-20", "threat": "pgd20"},
        ],
        "rows": [
            {
                "name": "AT",
                "defense": "at",
                "published": [84.0, 50.0],
                "published_average": 67.0,
                "note": "84 here, 83 elsewhere",
            },
            {
                "name": "DMAT",
                "not_run": "not part of this",
                "published": [82.0, 45.0],
                "published_average": 63.5,
            },
        ],
        "runs": [],
    }
    return TableSpec.model_validate(content | changes)


def found(**accuracies: list[float]) -> dict[Key, Outcomes]:
    """Made-up outcomes of `at`: by threat, an accuracy for each seed."""
    order = np.random.default_rng(0).permutation(IMAGES)
    return {
        ("digits", "at", threat): np.stack([order < a * IMAGES / 100 for a in seeds])
        for threat, seeds in accuracies.items()
    }


def made(
    outcomes: dict[Key, Outcomes], table: TableSpec | None = None, **card: Any
) -> list[list[Cell]]:
    metrics = {key: [card] * len(seeds) for key, seeds in outcomes.items()}
    return cells(table or spec(), Found(outcomes, metrics))


def test_a_measured_cell() -> None:
    cell = made(found(clean=[90], pgd20=[60]))[0][0]
    assert tuple(cell.record()) == COLUMNS
    assert cell.record() | {"low": 0, "high": 0} == {
        "method": "AT",
        "column": "Standard",
        "published": "84.00",
        "measured": "90.00",
        "low": 0,
        "high": 0,
        "images": IMAGES,
        "seeds": 1,
        "flags": "84 here, 83 elsewhere",
    }
    assert cell.interval is not None and cell.interval.holds(90)
    assert cell.difference == pytest.approx(6)


def test_a_whole_row_has_an_average_and_half_a_row_has_none() -> None:
    whole = made(found(clean=[90], pgd20=[60]))[0][2]
    assert (whole.column, whole.measured) == ("Avg", pytest.approx(75))
    assert whole.interval is not None and whole.interval.holds(75)
    half = made(found(clean=[90]))[0][2]
    assert half.measured is None
    assert half.flags == ["not run: 1 of 2 columns measured"]


def test_a_row_that_was_not_run_says_why_in_every_cell() -> None:
    for cell in made(found(clean=[90]))[1]:
        assert cell.record()["measured"] == ""
        assert cell.flags == ["not run: not part of this"]


def test_a_wrong_printed_average_is_told() -> None:
    row = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
    wrong = spec(rows=[row | {"published_average": 67.01}])
    average = made(found(clean=[90], pgd20=[60]), wrong)[0][2]
    assert average.flags == ["published average is not the mean of its row (67.00)"]
    rounded = spec(rows=[row | {"published_average": 67.005}])
    assert made(found(clean=[90], pgd20=[60]), rounded)[0][2].flags == []


def test_several_seeds_give_a_mean_and_a_spread() -> None:
    cell = made(found(clean=[90, 92, 94], pgd20=[60, 60, 60]))[0][0]
    assert (cell.measured, cell.seeds) == (pytest.approx(92), 3)
    assert cell.flags[0] == "spread 2.00 over 3 seeds"


def test_red_flags_stand_in_the_cell() -> None:
    cell = made(found(clean=[60], pgd20=[90]))[0][1]
    assert cell.flags[0].startswith("red flag: pgd20 leaves 90.00 where clean leaves")
    unstable = made(found(clean=[90], pgd20=[60]), same_when_asked_twice=False)[0][0]
    assert "asked twice" in unstable.flags[0]


class Balanced(HTMLParser):
    """Fails where a tag is closed that was not opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_does_not_pass_for_the_papers() -> None:
    rows = made(found(clean=[60], pgd20=[90]))
    page = as_page(spec(), rows, Footnotes())
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"https?:|src=|<script|<link", page)
    for said in (
        "IJSAT, Table 1: accuracy",
        "Scale demo: minutes on two cores",
        "digits stands in for cifar10",
        "not comparable",
        "Red flag: pgd20 leaves 90.00",
        "84 here, 83 elsewhere",
        "(+40.00)",
    ):
        assert said in page


def test_names_from_the_config_are_escaped() -> None:
    page = as_page(spec(title="a <b> & c"), made(found(clean=[90])), Footnotes())
    assert "a &lt;b&gt; &amp; c" in page


def test_the_picture_is_the_same_bytes_twice(tmp_path: Path) -> None:
    rows = made(found(clean=[60, 62], pgd20=[90, 92]))
    for name in ("a.png", "b.png"):
        draw(spec(title="costs $5 & more_or_less"), rows, Footnotes(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert imread(tmp_path / "a.png").std() > 0.01
