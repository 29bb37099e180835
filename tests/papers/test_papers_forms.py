"""All forms of a table say the same, and LaTeX is given nothing that it can't set."""

import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from papers_house import IMAGES, made, outcomes_of, spec

from pipeline_steps.config.load import load_config
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.forms import picture
from pipeline_steps.papers.forms.picture import draw
from pipeline_steps.papers.forms.tidy import cell_line
from pipeline_steps.papers.make_table import as_latex, as_page
from pipeline_steps.papers.report.latex import as_latex as escape
from pipeline_steps.papers.results import Cell, MeasuredTable
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.tables import Judged, cells
from pipeline_steps.papers.wording import Footnotes

PLANS = {scale: Specs(load_config(scale)) for scale in ("paper", "demo")}
TABLES = [
    (paper, table)
    for paper, content in PLANS["paper"].config.papers.items()
    for table in content.tables
]


def columns_of(line: str) -> int:
    """How many columns a line of a table fills."""
    spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return 1 + len(re.findall(r"(?<!\\)&", line)) + sum(spans) - len(spans)


def assert_latex_sets(text: str) -> None:
    """Environments and braces close in order, and every line has all columns."""
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    told = re.search(r"begin\{tabular\}\{(\w+)\}", text)
    assert told
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {columns_of(line) for line in lines} == {len(told[1])}
    assert not re.findall(r"(?<!\\)[#_^~]", text.replace("$^", ""))
    assert max(text) <= "\u017f"


@pytest.mark.parametrize(("paper", "table"), TABLES, ids=lambda name: name)
def test_every_table_of_the_papers_is_sound_latex(paper: str, table: str) -> None:
    for plan in PLANS.values():
        told = plan.pages.table(paper, table)
        whole = MeasuredTable(spec=told, cells=cells(told, Judged({}, {})))
        text = as_latex(whole, Footnotes())
        assert_latex_sets(text)
        assert "U+" not in text
        assert as_latex(whole, Footnotes()) == text
        for row in told.rows:
            assert escape(row.label) in text


def test_what_latex_would_read_as_a_command_is_escaped() -> None:
    assert escape(r"50 % & a_b {x} #1 ~ ^ $5 \n") == (
        r"50 \% \& a\_b \{x\} \#1 \textasciitilde{} \textasciicircum{} \$5 "
        r"\textbackslash{}n"
    )
    assert escape("ε = 8/255, λ ± é") == r"$\varepsilon$ = 8/255, $\lambda$ $\pm$ é"
    assert escape("漢") == "U+6F22"


def shown(
    table: TableSpec, rows: list[list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What each form says, a picture by all that is written on it."""
    written: list[str] = []
    monkeypatch.setattr(
        picture,
        "save",
        lambda figure, _: written.extend(t.get_text() for t in texts(figure)),
    )
    notes = Footnotes()
    whole = MeasuredTable(spec=table, cells=rows)
    draw(table, rows, notes, Path("table.png"))
    return {
        "csv": "\n".join(str([*line.values()]) for line in lines(table, rows)),
        "html": as_page(whole),
        "png": " ".join(" ".join(written).split()),
        "tex": as_latex(whole, notes),
    }


def lines(table: TableSpec, rows: list[list[Cell]]) -> list[dict[str, Any]]:
    return [cell_line(table.scale, cell) for row in rows for cell in row]


def texts(figure: Figure) -> list[Text]:
    return figure.axes[0].texts


def test_all_forms_tell_scale_seeds_flags_and_wrong_averages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
    table = spec(rows=[row | {"published_average": 70.0}])
    rows = made(outcomes_of(clean=[60, 64], pgd20=[90, 92]), table)
    for form, said in shown(table, rows, monkeypatch).items():
        assert "published average is not the mean of its row (67.00)" in said, form
        assert "pgd20 leaves 91.00 where clean leaves 62.00" in said, form
        deviation, average = ("2.8", "76.5") if form == "html" else ("2.83", "76.50")
        assert "62.0" in said and deviation in said, form  # of 60 and 64
        assert average in said, form  # that was measured
        assert "demo" in said, form


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        pytest.param([60], "Each number is of one training", id="all of one"),
        pytest.param(
            [60, 64], "Numbers without ± are of one training", id="some of one"
        ),
    ],
)
def test_a_number_of_one_training_says_so(clean: list[float], said: str) -> None:
    rows = made(outcomes_of(clean=clean, pgd20=[40]))
    assert said in page_of(spec(average=None), rows)
    several = made(outcomes_of(clean=[60, 64], pgd20=[40, 41]))
    assert "of one training" not in page_of(spec(average=None), several)


def page_of(table: TableSpec, rows: list[list[Cell]]) -> str:
    return as_page(MeasuredTable(spec=table, cells=rows))


def test_a_cell_tells_which_cards_it_comes_from() -> None:
    page = page_of(spec(), made(outcomes_of(clean=[60], pgd20=[90])))
    assert 'href="card of clean 0">60.0</a>' in page
    rows = made(outcomes_of(clean=[60, 61], pgd20=[90, 91]))
    assert "card of" not in page_of(spec(), rows)  # they are two
    line = lines(spec(), rows)[1]
    named = [line[key] for key in ("scale", "dataset", "defense", "threat")]
    assert named == ["demo", "digits", "at", "pgd20"]
    assert line["verdicts"] == "digits/at/pgd20@0 digits/at/pgd20@1"
    average = lines(spec(), made(outcomes_of(clean=[60], pgd20=[90])))[2]
    assert (average["threat"], average["images"]) == ("clean pgd20", IMAGES)
