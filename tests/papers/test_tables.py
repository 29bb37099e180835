"""Every cell says what was printed, what was measured, and what is in doubt."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from papers_house import IMAGES, made, outcomes_of, spec

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.evaluation.red_flags import Flag, Symptom
from pipeline_steps.evaluation.threat_relations import Reason
from pipeline_steps.papers import wording
from pipeline_steps.papers.forms.picture import draw
from pipeline_steps.papers.forms.tidy import TABLE_COLUMNS, cell_line, write_table
from pipeline_steps.papers.make_table import as_page
from pipeline_steps.papers.report.tables import Below, table_view
from pipeline_steps.papers.results import MeasuredTable, read_results, write_results
from pipeline_steps.papers.spec import Missing, NotRun, TableSpec
from pipeline_steps.papers.statistics import bootstrap, differences
from pipeline_steps.papers.wording import Footnotes

AT = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
BYTES = Path(__file__).with_name("table_bytes.csv")


def test_a_measured_cell() -> None:
    cell = made(outcomes_of(clean=[90], pgd20=[60]))[0][0]
    line = cell_line("demo", cell)
    assert tuple(line) == TABLE_COLUMNS
    assert line | {"low": 0, "high": 0} == {
        "scale": "demo",
        "method": "AT",
        "column": "Standard",
        "published": "84.00",
        "measured": "90.00",
        "low": 0,
        "high": 0,
        "deviation": "",
        "images": IMAGES,
        "seeds": 1,
        "dataset": "digits",
        "defense": "at",
        "threat": "clean",
        "verdicts": "digits/at/clean@0",
        "cards": "card of clean 0",
        "flags": "84 here, 83 elsewhere",
    }
    assert cell.interval is not None and cell.interval.holds(90)
    assert cell.difference == pytest.approx(6)


def test_a_whole_row_has_an_average_and_half_a_row_has_none() -> None:
    whole = made(outcomes_of(clean=[90], pgd20=[60]))[0][2]
    assert (whole.column, whole.measured) == ("Avg", pytest.approx(75))
    assert whole.interval is not None and whole.interval.holds(75)
    half = made(outcomes_of(clean=[90]))[0][2]
    assert half.measured is None
    assert half.not_run == NotRun(kind=Missing.INCOMPLETE, measured=1, columns=2)


def test_a_row_that_was_not_run_says_why_in_every_cell() -> None:
    for cell in made(outcomes_of(clean=[90]))[1]:
        assert cell.measured is None
        assert cell.not_run == NotRun(kind=Missing.ROW, reason="not part of this")


def test_a_wrong_printed_average_is_told() -> None:
    row = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
    wrong = spec(rows=[row | {"published_average": 67.01}])
    average = made(outcomes_of(clean=[90], pgd20=[60]), wrong)[0][2]
    assert average.printed_mean == 67
    assert wording.remarks(average) == [
        "published average is not the mean of its row (67.00)"
    ]
    rounded = spec(rows=[row | {"published_average": 67.005}])
    assert made(outcomes_of(clean=[90], pgd20=[60]), rounded)[0][2].printed_mean is None


def test_several_seeds_give_a_mean_and_a_spread() -> None:
    cell = made(outcomes_of(clean=[90, 92, 94], pgd20=[60, 60, 60]))[0][0]
    assert (cell.measured, cell.seeds) == (pytest.approx(92), 3)
    assert cell.spread == pytest.approx(2)


def test_red_flags_stand_in_the_cell() -> None:
    cell = made(outcomes_of(clean=[60], pgd20=[90]))[0][1]
    assert cell.flags == (
        Flag(kind=Reason.HELPS, threats=("pgd20", "clean"), accuracies=(90, 60)),
    )
    unstable = made(outcomes_of(clean=[90], pgd20=[60]), same_when_asked_twice=False)[
        0
    ][0]
    assert unstable.flags == (Flag(kind=Symptom.UNSTABLE, threats=("clean",)),)


def wide(rows: list[dict[str, Any]]) -> TableSpec:
    worst = {"name": "Worst", "part": "All", "worst_of": ["pgd20", "mia"]}
    columns = [{"name": "Standard", "threat": "clean"}, worst]
    return spec(columns=columns, rows=rows, average=None)


def test_a_worst_case_is_taken_image_by_image() -> None:
    table = wide([{"name": "AT", "defense": "at", "published": [84.0, 50.0]}])
    outcomes = outcomes_of(clean=[90, 90], pgd20=[60, 50], mia=[70, 70])
    order = np.arange(IMAGES)
    outcomes["digits", "at", "mia"] = np.stack([order < 60, order < 80])
    pgd20 = outcomes["digits", "at", "pgd20"]
    both = [pgd20[0, :60].sum() / 2, pgd20[1, :80].sum() / 2]
    cell = made(outcomes, table)[0][1]
    assert (cell.column, cell.seeds) == ("All: Worst", 2)
    assert cell.measured == pytest.approx(np.mean(both))
    del outcomes["digits", "at", "mia"]
    assert made(outcomes, table)[0][1].not_run == NotRun(kind=Missing.NO_VERDICTS)


def test_a_difference_is_paired_and_may_be_negative() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "AT", "defense": "at", "published": [84.0, 50.0]},
        {"name": "AT 2", "defense": "at2", "published": [82.0, None]},
        {"name": "Less", "difference": ["AT 2", "AT"], "published": [-2.0, None]},
    ]
    outcomes = outcomes_of(clean=[90], pgd20=[60], mia=[60])
    outcomes["digits", "at2", "clean"] = outcomes["digits", "at", "clean"].copy()
    outcomes["digits", "at2", "clean"][0, :40] = False
    lost = outcomes["digits", "at", "clean"][0, :40].sum() / 2
    cell, empty = made(outcomes, wide(rows))[2]
    assert cell.measured == pytest.approx(-lost)
    assert cell.difference == pytest.approx(2 - lost)
    assert cell.interval is not None and cell.interval.holds(-lost)
    assert cell.interval.high < 0
    assert empty.not_run == NotRun(kind=Missing.NOT_PRINTED)
    assert {one.kind for one in (cell, empty)} == {"difference"}
    rows[1] = {"name": "AT 2", "not_run": "quoted", "published": [82.0, None]}
    why = NotRun(kind=Missing.OTHER_ROW, reason="quoted")
    assert made(outcomes, wide(rows))[2][0].not_run == why


@pytest.mark.parametrize(
    ("gained", "low"),
    [
        pytest.param(0, 0, id="equal sides"),
        pytest.param(3, 0, id="three images better"),
        pytest.param(20, 6, id="twenty images better"),
    ],
)
def test_a_difference_near_nothing_has_no_interval_of_a_share(
    gained: int, low: float
) -> None:
    """Of two equal sides, or where no image is worse, the exact one would be wrong."""
    rows: list[dict[str, Any]] = [
        {"name": "AT", "defense": "at", "published": [84.0, 50.0]},
        {"name": "AT 2", "defense": "at2", "published": [84.0, 50.0]},
        {"name": "Gain", "difference": ["AT 2", "AT"], "published": [0.0, 0.0]},
    ]
    outcomes = outcomes_of(clean=[50], pgd20=[50])
    for threat in ("clean", "pgd20"):
        right = outcomes["digits", "at", threat].copy()
        right[0, np.flatnonzero(~right[0])[:gained]] = True
        outcomes["digits", "at2", threat] = right
    *cells, average = made(outcomes, spec(rows=rows))[2]
    gain = differences(
        outcomes["digits", "at2", "clean"], outcomes["digits", "at", "clean"]
    )
    for cell in cells:
        assert cell.measured == pytest.approx(gained / 2)
        assert cell.interval == bootstrap(gain)
    for cell in (*cells, average):
        assert cell.interval is not None
        assert cell.interval.low >= low
        assert cell.interval.holds(gained / 2)
        assert (cell.interval.high == 0) is (gained == 0)


def test_a_row_may_have_a_data_set_of_its_own() -> None:
    rows = [
        {"name": "AT", "defense": "at", "published": [84.0, 50.0], "part": part} | more
        for part, more in [("CIFAR-10", {}), ("SVHN", {"dataset": "svhn"})]
    ]
    outcomes = outcomes_of(clean=[90], pgd20=[60], mia=[60])
    outcomes["svhn", "at", "clean"] = np.ones((1, 50), dtype=bool)
    lines = made(outcomes, wide(rows))
    assert [line[0].method for line in lines] == ["CIFAR-10: AT", "SVHN: AT"]
    assert [line[0].images for line in lines] == [IMAGES, 50]
    assert [line[0].measured for line in lines] == [pytest.approx(90), 100]


def test_a_row_that_is_not_the_paper_s_is_measured_throughout() -> None:
    own = {"name": "Mine", "defense": "at", "published": [None, None]}
    outcomes = outcomes_of(clean=[90], pgd20=[60], mia=[60])
    assert all(cell.measured for cell in made(outcomes, wide([own]))[0])


def test_corruptions_count_by_their_mean_image_by_image() -> None:
    corrupted = {"name": "Corrupted", "threat": "clean", "corruptions": ["fog", "snow"]}
    row = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
    columns = [{"name": "Standard", "threat": "clean"}, corrupted]
    table = spec(columns=columns, rows=[row], average=None)
    outcomes = outcomes_of(clean=[90])
    # Two images at five severities: fog breaks the second from severity 3 on.
    fog = np.array([[True, True, True, True, True, False, True, False, True, False]])
    snow = np.ones((1, 10), dtype=bool)
    outcomes |= {("digits.fog", "at", "clean"): fog}
    outcomes |= {("digits.snow", "at", "clean"): snow}
    clean, cell = made(outcomes, table, same_when_asked_twice=False)[0]
    assert cell.measured == pytest.approx(100 * (1 + 0.7) / 2)
    assert (clean.images, cell.images) == (IMAGES, 2)
    assert wording.behind(cell)[0] == "digits.fog digits.snow"
    assert [flag.kind for flag in cell.flags] == [Symptom.UNSTABLE]
    del outcomes["digits.snow", "at", "clean"]
    assert made(outcomes, table)[0][1].not_run == NotRun(kind=Missing.NO_VERDICTS)


def test_no_average_is_taken_over_different_images() -> None:
    outcomes = outcomes_of(clean=[90])
    outcomes["digits", "at", "pgd20"] = np.ones((1, 50), dtype=bool)
    average = made(outcomes)[0][2]
    assert average.not_run == NotRun(kind=Missing.OTHER_IMAGES)


def test_a_defense_from_elsewhere_is_told_in_its_cells() -> None:
    row = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
    table = spec(rows=[row | {"trained_on": "om-digits"}])
    own = outcomes_of(clean=[90], pgd20=[60])
    outcomes = {(d, "at.from-om-digits", t): o for (d, _, t), o in own.items()}
    cell = made(outcomes, table)[0][1]
    assert wording.behind(cell) == ["digits", "at.from-om-digits", "pgd20"]
    assert made(own, table)[0][1].measured is None


def test_what_the_paper_leaves_open_is_told() -> None:
    columns = [
        {"name": "Elastic", "threat": "clean", "calibrated": True},
        {"name": "JPEG", "threat": "pgd20", "note": "in L1"},
    ]
    table = spec(columns=columns)
    view = table_view(table, made(outcomes_of(clean=[90], pgd20=[60]), table))
    assert [*view.below.notes.letters][:2] == [wording.CALIBRATED, "in L1"]
    assert [column.notes for column in view.columns] == [["a"], ["b"], []]


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
    rows = made(outcomes_of(clean=[60], pgd20=[90]))
    page = as_page(MeasuredTable(spec=spec(), cells=rows))
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"https?:|src=|<script|<link", page)
    for said in (
        "IJSAT, Table 1: accuracy",
        "Scale demo: minutes on two cores",
        "digits stands in for cifar10",
        "not comparable",
        "(+40.0)",
    ):
        assert said in page


def test_red_flags_doubts_and_notes_stand_apart() -> None:
    changes = {"columns": [{"name": "Standard", "threat": "clean"}, PGD_NOTED]}
    table = spec(**changes)
    rows = made(outcomes_of(clean=[60], pgd20=[90]), table)
    below = table_view(table, rows).below
    (flag,), doubts = below.flags.letters, [*below.doubts.letters]
    assert flag.startswith("Red flag: pgd20 leaves 90.00")
    assert below.flags.letters[flag] == "1"
    assert doubts == ["84 here, 83 elsewhere"]
    assert below.doubts.letters[doubts[0]] == "A"
    assert [*below.notes.letters] == ["our note", "Not run: not part of this."]


PGD_NOTED = {"name": "PGD-20", "threat": "pgd20", "note": "our note"}


def test_one_row_of_letters_serves_the_picture_and_latex() -> None:
    """So that both say the same by the same letter; why cells were not run comes last."""
    rows, notes = made(outcomes_of(clean=[60], pgd20=[90])), Footnotes()
    view = table_view(spec(), rows, Below.together(notes))
    assert view.rows[0].head.doubts == ["a"]
    assert view.rows[0].cells[1].flags == ["b"]
    assert list(notes.letters.values()) == ["a", "b", "c"]


def test_names_from_the_config_are_escaped() -> None:
    table = spec(title="a <b> & c")
    page = as_page(MeasuredTable(spec=table, cells=made(outcomes_of(clean=[90]))))
    assert "a &lt;b&gt; &amp; c" in page
    assert "<b>" not in page


def test_the_picture_is_the_same_bytes_twice(tmp_path: Path) -> None:
    rows = made(outcomes_of(clean=[60, 62], pgd20=[90, 92]))
    for name in ("a.png", "b.png"):
        draw(spec(title="costs $5 & more_or_less"), rows, Footnotes(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert imread(tmp_path / "a.png").std() > 0.01


def test_a_lost_number_stops_no_measurement_and_a_number_not_printed_does() -> None:
    """What the paper prints and our text lost is not what the paper doesn't print."""
    row = {"name": "AT", "defense": "at", "published": [None, 50.0]}
    behind = [spec(rows=[row | {"lost": lost}]) for lost in ([], ["Standard"])]
    runs = outcomes_of(clean=[90], pgd20=[60])
    not_printed, lost = (made(runs, table)[0] for table in behind)
    assert not_printed[0].measured is None
    assert not_printed[0].not_run == NotRun(kind=Missing.NOT_PRINTED)
    assert lost[0].measured == pytest.approx(90)
    assert lost[0].published is None
    assert lost[0].lost == "lost"
    assert lost[2].measured == pytest.approx(75)  # so the row has its average


def test_a_lost_number_that_follows_from_elsewhere_stands_with_a_word() -> None:
    row = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
    table = spec(rows=[row | {"lost": ["Standard", "Avg"], "published_average": 67}])
    cells = made(outcomes_of(clean=[90], pgd20=[60]), table)[0]
    assert cells[0].difference == pytest.approx(6)
    assert [cell.lost for cell in cells] == ["inferred", None, "inferred"]
    assert wording.remarks(cells[0]) == [wording.INFERRED]


def test_a_table_in_its_file_is_the_table_that_was_measured(tmp_path: Path) -> None:
    """Every value and every digit, whatever a cell holds."""
    row = {"name": "AT", "defense": "at", "published": [84.0, 50.0]}
    table = spec(rows=[row | {"published_average": 70.0, "lost": ["PGD-20"]}])
    measured = made(outcomes_of(clean=[60, 64], pgd20=[90, 92]), table)
    told = MeasuredTable(spec=table, cells=measured)
    write_results(tmp_path / "table.json", told)
    assert read_results(tmp_path / "table.json", MeasuredTable) == told


def test_a_file_that_is_no_table_ends_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('{"cells": []}')
    with pytest.raises(PipelineError, match="is not a MeasuredTable"):
        read_results(path, MeasuredTable)


def test_a_table_s_csv_keeps_its_bytes(tmp_path: Path) -> None:
    """Spreadsheets and notebooks of others read it."""
    rows = [
        {**AT, "published_average": 70.0, "note": "a, note", "lost": ["Standard"]},
        {"name": "Gain", "difference": ["AT", "AT"], "published": [1.0, None]},
        {"name": "Else", "not_run": "quoted", "published": [1.0, None]},
    ]
    columns = [
        {"name": "Standard", "threat": "clean"},
        {"name": "PGD-20", "part": "White box", "threat": "pgd20"},
    ]
    table = spec(rows=rows, columns=columns)
    measured = made(outcomes_of(clean=[60, 64], pgd20=[90, 92]), table)
    write_table(MeasuredTable(spec=table, cells=measured), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == BYTES.read_bytes()
