"""The report of made-up results: what it shows, as values, and how its page is built."""

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_house
from papers_house import step
from report_house import figure_step, overview

from pipeline_steps.core.bookings import bookings
from pipeline_steps.core.card import file_facts
from pipeline_steps.core.files import write_json
from pipeline_steps.papers import make_report
from pipeline_steps.papers.report.contents import Contents, Result, Table, behind
from pipeline_steps.papers.report.render import FOLDER, render
from pipeline_steps.papers.report.view import Box, Costs, PaperPage, Report, report_view
from pipeline_steps.papers.results import MeasuredTable, read_results, write_results

VOID = {"meta", "img", "br", "hr", "link", "input"}


@pytest.fixture
def made(report: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """What the report shows."""
    monkeypatch.chdir(report.parents[2])
    return report_house.view()


@pytest.fixture
def ijsat(made: Report) -> PaperPage:
    return made.papers[0]


def box_of(page: PaperPage, row: int, column: int) -> Box:
    boxes = (box for section in page.tables for box in section.boxes)
    return next(box for box in boxes if box.view.place == (row, column))


def test_the_same_results_give_the_same_bytes(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(report.parents[2])
    first = report.read_bytes()
    report_house.make()
    assert report.read_bytes() == first


def test_a_paper_is_counted(ijsat: PaperPage) -> None:
    assert (ijsat.numbers, ijsat.measured, ijsat.published_only) == (22, 10, 4)
    assert ijsat.left_out == 8
    assert [printed.name for printed in ijsat.not_made] == ["table2"]
    assert ijsat.stand_ins == ["the digits in place of CIFAR-10"]
    assert ijsat.claim_count == 4


def test_the_chart_has_every_number_that_is_printed_and_measured(
    ijsat: PaperPage,
) -> None:
    chart = ijsat.chart
    published = [point.cell.published for point in chart.points]
    assert published == [84.0, 50.0, 45.0, 40.0, 83.0, 53.0, 45.0]
    first = chart.points[0]
    assert first.anchor == "ijsat/table1/1/1"
    assert first.stands_in
    assert (first.x, first.y) == (chart.across(84.0), chart.up(90.5))
    assert first.ends is not None
    assert first.ends[0] > first.y > first.ends[1]
    assert chart.middle == pytest.approx(-12.5)
    bounds = [chart.across(0), chart.across(100), chart.up(100), chart.up(0)]
    assert 0 <= bounds[0] < bounds[1] <= chart.width
    assert 0 <= bounds[2] < bounds[3] <= chart.height


def test_claims_are_grouped_and_what_was_not_run_comes_last(ijsat: PaperPage) -> None:
    words = [(group.sign, group.words, len(group.claims)) for group in ijsat.claims]
    assert words == [
        ("✓", "holds at this scale, one training only", 1),
        ("✗", "does not hold at this scale", 1),
        ("?", "inconclusive, one training only", 1),
        ("–", "not run", 1),
    ]
    assert [group.sign for group in ijsat.decided] == ["✓", "✗", "?"]
    (not_run,) = ijsat.not_run[0].claims
    assert not_run.lacks == "AT under JSA-50 and 2 more"


def test_a_claim_rests_on_numbers_with_names_for_people(ijsat: PaperPage) -> None:
    (holds,) = ijsat.claims[0].claims
    assert holds.comparisons == ["IJSAT under PGD-20 60.0 % against 50: [55.0, 65.0]"]
    assert holds.anchor == "ijsat/claims/one"


def test_the_leaderboard_has_each_defense_with_its_cost(made: Report) -> None:
    (board,) = made.leaderboards
    assert (board.name, board.stands_for) == ("the digits", ["CIFAR-10"])
    assert [*board.columns.values()] == [
        *("no attack", "PGD-20", "worst of PGD-20, pgd100", "JSA-50"),
    ]
    at, ijsat = board.standings.values()
    assert (at.name, ijsat.name) == ("AT", "IJSAT")
    cell, anchor = ijsat.cells[("jsa50",)]
    assert (cell.measured, anchor) == (25.5, "ijsat/table1/2/4")
    assert board.best[("jsa50",)] == 25.5
    assert (at.parameters, at.seconds) == (66410, 7260.0)
    assert board.papers == ["ijsat"]


def test_red_flags_and_doubts_lead_to_their_numbers(made: Report) -> None:
    flag = "PGD-20 leaves 40.50 where pgd100 leaves 20.50: 20 steps were too few"
    flags = [remark for remark in made.flags if remark.sentence == flag]
    places = ["ijsat/table1/1/2", "ijsat/table1/1/3", "ijsat/table1/2/2"]
    assert [remark.anchor for remark in flags][:3] == places
    assert flags[0].label == "IJSAT, Table 1: Net: AT, White box: PGD-20"
    said = [remark.sentence for remark in made.doubts]
    assert said == [
        "54 elsewhere",
        "the published average is not the mean of its row (2.50)",
    ]


def test_a_number_says_where_it_comes_from(ijsat: PaperPage) -> None:
    box = box_of(ijsat, 1, 2)
    assert box.title == "Net: AT, White box: PGD-20"
    assert (box.cell.measured, box.cell.seeds) == (40.5, 2)
    assert box.dataset == ("digits", "cifar10")
    names = [
        (each.result.name, each.model and each.model.name) for each in box.evidence
    ]
    assert names == [
        ("verdicts/digits/at/pgd20", "defenses/digits/at"),
        ("verdicts/digits/at@1/pgd20", "defenses/digits/at@1"),
    ]
    assert {each.result.code for each in box.evidence} == {"c" * 12}
    worst, gain = box_of(ijsat, 1, 3), box_of(ijsat, 3, 2)
    assert len(worst.evidence) == len(gain.evidence) == 4
    mean = box_of(ijsat, 1, 5)
    assert (mean.column, mean.evidence) == (None, [])
    assert mean.siblings[0] == ("Standard", "ijsat/table1/1/1")


def test_models_have_their_accuracies(made: Report) -> None:
    models = {model.result.name: model for model in made.models}
    at = models["defenses/digits/at"]
    assert (at.title, at.dataset) == ("AT", "the digits")
    kept = [(kept.threat, kept.accuracy) for kept in at.accuracies]
    assert kept[0] == ("no attack", 90)
    assert dict(kept[1:]) == {"PGD-20": 40, "pgd100": 20, "JSA-50": 15}
    assert models["defenses/digits/at@1"].title == "AT, seed 1"


def test_what_was_not_measured_says_why(ijsat: PaperPage) -> None:
    (section,) = ijsat.tables
    not_run = [v for row in section.view.rows for v in row.cells if not v.cell.images]
    # A row; a number that is not printed, and what rests on it.
    assert [view.place for view in not_run] == [
        *((2, 3), (2, 5), (3, 3), (3, 5)),
        *((4, i) for i in range(1, 6)),
    ]
    notes = [*section.view.below.notes.letters]
    assert "Not run: nothing; at all." in notes
    assert "Not run: 3 of 4 columns measured." in notes
    assert next(iter(section.view.below.doubts.letters)) == "54 elsewhere"


SHARDED = {
    **{"device": "NVIDIA H100", "seconds": 241.5, "peak_gpu_memory_mb": 9},
    "parts": [{"device": "NVIDIA H100", "seconds": s} for s in (100.0, 140.0)],
}


def test_shards_and_gathering_them_are_booked_apart() -> None:
    booked = bookings("evaluation.attack_defense", SHARDED)
    assert [(b.step, b.seconds, b.shard, b.on_gpu) for b in booked] == [
        ("attack_defense", 100.0, 1, True),
        ("attack_defense", 140.0, 2, True),
        ("gather_verdicts", 1.5, None, False),
    ]
    (whole,) = bookings("defenses.train_defense", {"device": "cpu", "seconds": 3.0})
    assert (whole.step, whole.seconds) == ("train_defense", 3.0)


def test_the_costs_of_all_steps_are_all_costs(made: Report) -> None:
    costs = made.costs
    verdict = next(r for r in costs.results if r.name == "verdicts/digits/at/clean")
    model = next(r for r in costs.results if r.name == "defenses/digits/at")
    sharded = Result(verdict.path, verdict.card, SHARDED)
    both = Costs([sharded, model])
    assert sum(cost.seconds for cost in both.steps) == both.seconds == 7501.5
    assert [result.name for result in both.longest] == [model.name, verdict.name]


class Page(HTMLParser):
    """Every element with its attributes and its text, and that all of them close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[dict[str, Any]] = []
        self.all: list[dict[str, Any]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = [one["tag"] for one in self.open]
        one = {"tag": tag, "text": "", "inside": inside, **dict(attrs)}
        self.all.append(one)
        if tag not in VOID:
            self.open.append(one)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data: str) -> None:
        for one in self.open:
            one["text"] += data

    def named(self, *tags: str) -> list[dict[str, Any]]:
        return [one for one in self.all if one["tag"] in tags]


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_text(encoding="utf-8"))


def test_all_that_is_named_is_there_and_once(page: Page) -> None:
    ids = [one["id"] for one in page.all if "id" in one]
    assert len(ids) == len(set(ids))
    targets = [one["href"].removeprefix("#") for one in page.named("a")]
    targets += [one["data-box"] for one in page.all if "data-box" in one]
    targets += [one["popovertarget"] for one in page.all if "popovertarget" in one]
    targets += [one["aria-labelledby"] for one in page.all if "aria-labelledby" in one]
    assert set(targets) <= set(ids)
    assert {"overview", "ijsat", "jat", "models"} <= set(targets)
    assert all(one["href"].startswith("#") for one in page.named("a"))


def test_nothing_is_fetched_from_outside(report: Path, page: Page) -> None:
    text = report.read_text(encoding="utf-8")
    assert not re.search(r"https?:|@import|url\(", text)
    assert all(one["src"].startswith("data:image/png") for one in page.named("img"))


def test_the_page_has_a_language_landmarks_and_headings_in_order(page: Page) -> None:
    assert [one["lang"] for one in page.named("html")] == ["en"]
    assert len(page.named("main")) == len(page.named("h1")) == 1
    assert all(one.get("aria-label") for one in page.named("nav"))
    levels = [int(one["tag"][1]) for one in page.named("h1", "h2", "h3", "h4", "h5")]
    steps = itertools.pairwise(levels)
    assert levels[0] == 1
    assert all(deeper <= level + 1 for level, deeper in steps)
    assert all(one["text"].strip() for one in page.named("h1", "h2", "h3", "h4", "a"))


def test_tables_and_pictures_say_what_they_are(page: Page) -> None:
    (image,) = page.named("img")
    assert image["width"]
    assert image["alt"] == (
        "A histogram of how well projected images match the originals: glow."
    )
    assert all("figure" in one["inside"] for one in page.named("img"))
    assert len(page.named("figcaption")) == len(page.named("figure")) == 2
    assert all(one["aria-label"] for one in page.named("svg"))
    assert len(page.named("caption")) == len(page.named("table")) >= 4
    assert all(one["scope"] in ("row", "col") for one in page.named("th"))
    assert all(one["text"].strip() for one in page.named("button"))
    assert [one for one in page.named("button") if "button" in one["inside"]] == []


def test_a_cell_leads_to_the_cards_that_its_table_names(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(report.parents[2])
    page = Path("results/demo/cards/papers/ijsat/table1.json")
    table = Table(Path("results/demo/papers/ijsat/moved.json"), Result.read(page))
    made = read_results(table.path.with_name("table1.json"), MeasuredTable)
    cell = made.cells[0][0]
    run = cell.runs[0].model_copy(
        update={"card": "../../cards/verdicts/digits/at@1/pgd100.json"}
    )
    made.cells[0][0] = cell.model_copy(update={"runs": (run,)})
    write_results(table.path, made)
    results = {path: Result.read(path) for path in behind([page])}
    contents = Contents("demo", "toy", [table], [], [], results)
    card = Path("results/demo/cards/verdicts/digits/at@1/pgd100.json")
    assert contents.behind_cell(table, made.cells[0][0]) == [card]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def test_text_and_outlines_stand_out_in_light_and_in_dark() -> None:
    css = (FOLDER / "report.css").read_text(encoding="utf-8")
    looks = [dict(re.findall(r"--(\w+): (#\w+)", r)) for r in css.split(":root {")[1:]]
    assert len(looks) == 2
    for look in looks:
        for name in ("ink", "soft", "link", "bad", "good"):
            for behind_it in ("paper", "shade", "mark"):
                assert contrast(look[name], look[behind_it]) >= 4.5, (name, behind_it)
        assert contrast(look["focus"], look["paper"]) >= 3


def test_what_stands_in_a_page_is_escaped() -> None:
    spec = overview()
    text = render("report.html.j2", title="<x>", report=empty(spec))
    assert "A &lt;title&gt;" in text
    assert "<x>" not in text


def empty(spec: Any) -> Report:
    return report_view(Contents("demo", "toy", [], [], [], {}), spec)


def test_a_broken_picture_ends_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    figure_step()
    name = "papers/ijsat/figure1"
    png, card = (
        Path(f"results/demo/{name}.png"),
        Path(f"results/demo/cards/{name}.json"),
    )
    png.write_bytes(b"no picture")
    content = json.loads(card.read_text())
    facts = file_facts(png, Path("../../../papers/ijsat/figure1.png"))
    write_json(card, content | {"outputs": {"png": facts}})
    inputs = {"cards": [], "figures": [png], "figures_card": [card]}
    with pytest.raises(SystemExit):
        step(make_report, overview(), inputs, {"index": Path("index.html")})
    assert "is not a picture; delete it" in capfd.readouterr().err
