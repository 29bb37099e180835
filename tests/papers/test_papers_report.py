"""The report of made-up results: what it says, how its page is built, and in a browser."""

import itertools
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import papers_house as house
import pytest
from papers_house import step
from pipeline_steps.papers.report.look import CSS

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.files import write_json
from pipeline_steps.papers import make_figure, make_report, make_table
from pipeline_steps.papers.report.contents import Contents, Result, Table, behind
from pipeline_steps.papers.report.spec import OverviewSpec
from pipeline_steps.papers.results import (
    DecidedClaim,
    DecidedClaims,
    Finding,
    MeasuredTable,
    Outcome,
    read_results,
    write_results,
)
from pipeline_steps.papers.spec import FigureSpec, TableSpec

SCALE = {"scale": "demo", "scale_title": "toy <size>"}
THREATS = {"clean": 90, "pgd20": 40, "pgd100": 20}
RUNS = [(d, t, s) for d in ("at", "ijsat") for t in THREATS for s in (0, 1)]
VOID = {"meta", "img", "br", "hr", "link", "input"}


def label(defense: str, seed: int) -> str:
    return f"{defense}@{seed}" if seed else defense


def write_card(
    name: str, spec: dict[str, Any], outputs: dict[str, Path], **more: Any
) -> Path:
    path = Path("results/demo/cards") / f"{name}.json"
    inputs = {k: [file_facts(p) for p in v] for k, v in more.get("inputs", {}).items()}
    facts = {role: file_facts(file) for role, file in outputs.items()}
    step = f"{name.split('/')[0]}.made"
    made = Card(
        step, spec, {"digest": "c" * 64}, inputs, facts, more.get("metrics", {})
    )
    made.seen_from(path.parent).write(path)
    return path


def verdicts(defense: str, threat: str, seed: int) -> tuple[Path, Path]:
    """A file of verdicts and its card, of a model that has a card and a record."""
    name = f"digits/{label(defense, seed)}"
    weights = Path(f"results/demo/checkpoints/defenses/{name}.safetensors")
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(b"weights")
    model = write_card(f"defenses/{name}", {"seed": seed}, {"weights": weights})
    record = {"machine": "node7", "device": "cpu", "seconds": 7260.0}
    write_json(model.with_suffix(".record.json"), record | {"peak_memory_mb": 5})
    path = Path(f"results/demo/verdicts/{name}/{threat}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    right = np.arange(100) < THREATS[threat] + seed
    pd.DataFrame({"image": range(100), "correct": right}).to_parquet(path)
    spec = {"seed": seed, "threat": house.threat(threat)}
    card = write_card(
        f"verdicts/{name}/{threat}",
        spec,
        {"verdicts": path},
        inputs={"weights_card": [model]},
        metrics={"accuracy": float(THREATS[threat] + seed), "images": 100},
    )
    return path, card


def page_of(name: str, *forms: str) -> dict[str, Path]:
    made = {form: Path(f"results/demo/papers/ijsat/{name}.{form}") for form in forms}
    return made | {"card": Path(f"results/demo/cards/papers/ijsat/{name}.json")}


TABLE = {
    "paper": "ijsat",
    "table": "table1",
    "title": "Table 1: accuracy",
    "dataset": "cifar10",
    "stand_ins": {"cifar10": "digits"},
    "average": "Avg",
    "columns": [
        {"name": "Standard", "threat": "clean"},
        {"name": "PGD-20", "part": "White box", "threat": "pgd20", "calibrated": True},
        {"name": "Worst", "worst_of": ["pgd20", "pgd100"], "note": "it <contradicts>"},
    ],
    "rows": [
        {"name": "AT", "part": "Net", "defense": "at", "published": [84.0, 50.0, 45.0]},
        {"name": "Ours", "defense": "ijsat", "published": [83.0, 53.0, None]},
        {"name": "Gain", "difference": ["Ours", "AT"], "published": [-1.0, 3.0, 1.0]},
        {
            **{"name": "Else", "published": [1.0, 2.0, 3.0]},
            **{"published_average": 9.0, "not_run": "nothing; at all"},
        },
    ],
}


def table_step(
    asked: list[dict[str, Any]], files: list[Path], cards: list[Path]
) -> None:
    spec = TableSpec.model_validate(TABLE | SCALE | {"runs": asked})
    inputs = {"verdicts": files, "verdicts_card": cards}
    forms = ("json", "csv", "html", "png", "tex")
    step(make_table, spec, inputs, page_of("table1", *forms))


def figure_step() -> None:
    errors = Path("results/demo/errors.parquet")
    errors.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"psnr": [21.0, 25.5, 30.0]}).to_parquet(errors)
    card = write_card("manifolds/digits/glow/test", {}, {"errors": errors})
    content = {
        "figure": {"figure": "projection_errors"},
        "panels": [{"label": "glow", "what": "distances", "manifold": "glow"}],
        **{"paper": "ijsat", "name": "figure1", "title": 'Figure 1: "how" far'},
        **{"dataset": "digits", "stands_for": "cifar10"},
    }
    spec = FigureSpec.model_validate(content | SCALE)
    inputs = {"panels": [errors], "panels_card": [card]}
    step(make_figure, spec, inputs, page_of("figure1", "png", "svg"))


FINDING = Finding.model_validate(
    {
        "comparison": {
            "left": {"defense": "ijsat", "threat": "pgd20"},
            "relation": ">",
            "right": {"number": 50},
        },
        **{"left": 60.0, "right": 50.0, "outcome": "holds", "interval": [55, 65]},
    }
)
CLAIMS = [
    DecidedClaim.model_validate(
        {"paper": "ijsat", "claim": name, "place": "Table 1", "says": f"it <{name}>"}
        | {"findings": [FINDING], "papers_size": False, **more}
    )
    for name, more in {
        "one": {"ours": False, "outcome": "holds", "trainings": 1, "p": 0.001},
        "two": {"ours": True, "outcome": "does_not_hold", "trainings": 3, "p": 0.03},
        "three": {"ours": False, "outcome": "not_run"},
        "four": {"ours": False, "outcome": "inconclusive", "trainings": 1, "p": 0.73},
    }.items()
]


def overview() -> OverviewSpec:
    numbers = {"numbers": 11, "published_only": 3}
    tables = [
        {"name": "table1", "title": "Table 1: accuracy", "made": True, **numbers},
        {"name": "table2", "title": "Table 2: more", "made": False, "numbers": 7},
    ]
    figures = [{"name": "figure1", "title": "Figure 1", "made": True}]
    known = {"title": "A <title>", "authors": "Some & others"}
    papers = [
        {"paper": "ijsat", **known, "tables": tables, "figures": figures},
        {"paper": "jat", **known, "tables": [], "figures": []},
    ]
    return OverviewSpec.model_validate(SCALE | {"papers": papers})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of one table, one figure and four claims."""
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        made = [verdicts(*one) for one in RUNS]
        files, cards = [one[0] for one in made], [one[1] for one in made]
        names = ("defense", "threat", "seed")
        asked = [dict(zip(names, one, strict=True)) for one in RUNS]
        table_step([one | {"dataset": "digits"} for one in asked], files, cards)
        figure_step()
        claims = Path("results/demo/claims.json")
        write_results(claims, DecidedClaims(claims=CLAIMS))
        claims_card = write_card("papers/claims", {}, {"json": claims})
        place = "results/demo/{}papers/ijsat/{}"
        inputs = {
            "tables": [Path(place.format("", "table1.json"))],
            "tables_card": [Path(place.format("cards/", "table1.json"))],
            "figures": [Path(place.format("", "figure1.png"))],
            "figures_card": [Path(place.format("cards/", "figure1.json"))],
            "claims": [claims],
            "claims_card": [claims_card],
        }
        names = {"index": "index.html", "csv": "runs.csv", "html": "runs.html"}
        outputs = {k: Path(f"results/demo/{v}") for k, v in names.items()}
        outputs["summary"] = Path("results/demo/summary.json")
        step(make_report, overview(), inputs, outputs)
        first = outputs["index"].read_bytes()
        step(make_report, overview(), inputs, outputs)
        assert outputs["index"].read_bytes() == first
    return root / "results/demo/index.html"


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


def box_of(page: Page, row: int, column: int) -> str:
    place = f"ijsat/table1/{row}/{column}"
    return next(one["text"] for one in page.all if one.get("id") == place)


def test_all_that_is_named_is_there_and_once(page: Page) -> None:
    ids = [one["id"] for one in page.all if "id" in one]
    assert len(ids) == len(set(ids))
    targets = [one["href"].removeprefix("#") for one in page.named("a")]
    targets += [one["popovertarget"] for one in page.all if "popovertarget" in one]
    targets += [one["aria-labelledby"] for one in page.all if "aria-labelledby" in one]
    assert set(targets) <= set(ids)
    assert {"overview", "ijsat", "jat", "models"} <= set(targets)
    assert all(one["href"].startswith("#") for one in page.named("a"))


def test_nothing_is_fetched_from_outside(report: Path, page: Page) -> None:
    assert not re.search(r"https?:|@import|url\(", report.read_text(encoding="utf-8"))
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
    assert all(one["alt"] and one["width"] for one in page.named("img"))
    assert all("figure" in one["inside"] for one in page.named("img"))
    assert len(page.named("figcaption")) == len(page.named("figure")) == 1
    assert len(page.named("caption")) == len(page.named("table")) >= 4
    assert all(one["scope"] in ("row", "col") for one in page.named("th"))
    assert all(one["text"].strip() for one in page.named("button"))
    assert [one for one in page.named("button") if "button" in one["inside"]] == []


def test_the_front_page_counts(page: Page) -> None:
    front = next(one["text"] for one in page.all if one.get("id") == "overview")
    for said in (
        "1 of 2tables",
        "1 of 1figures",
        "7 of 18printed numbers measured",
        "1claims: holds at this scale, one training only",
        "1claims: does not hold at this scale",
        "1claims: inconclusive, one training only",
        "✗ does not hold at this scale: 1",
        "smaller than the papers'",
        "8.1 h of computing in all",
    ):
        assert said in front
    row = next(one["text"] for one in page.named("tr") if "1 of 2" in one["text"])
    assert row.endswith("1 of 21 of 1187831111")


def test_each_outcome_has_its_sign_and_its_class(page: Page) -> None:
    met = {one["class"]: one["text"] for one in page.named("span") if _signed(one)}
    assert met == {
        "holds": "✓ holds at this scale, one training only",
        "does_not_hold": "✗ does not hold at this scale",
        "inconclusive": "? inconclusive, one training only",
        "not_run": "– not run",
    }
    claim = next(one["text"] for one in page.named("tr") if "it <four>" in one["text"])
    assert "p = 0.73" in claim


def _signed(element: dict[str, Any]) -> bool:
    return element.get("class") in {outcome.value for outcome in Outcome}


def test_red_flags_stand_beside_the_number_and_on_the_front_page(page: Page) -> None:
    flag = "pgd20 leaves 40.50 where pgd100 leaves 20.50: 20 steps were too few"
    front = next(one["text"] for one in page.all if one.get("id") == "overview")
    assert front.count(flag) == 3  # in both columns of AT, and one of ours
    assert "IJSAT, Table 1: Net: AT, White box: PGD-20" in front
    cell = next(o for o in page.all if o.get("id") == "ijsat/table1/1/2/cell")
    assert "⚑" in cell["text"]
    assert "red flag" in cell["text"]
    assert flag in box_of(page, 1, 2)


def test_a_number_says_where_it_comes_from(page: Page) -> None:
    said = box_of(page, 1, 2)
    for what in (
        *("40.50 %", "2 seeds", "50.00 (-9.50)", "digits, for cifar10"),
        *(
            "verdicts/digits/at/pgd20",
            "verdicts/digits/at@1/pgd20",
            "defenses/digits/at",
        ),
        *("sha256", "cccccccccccc", '"steps": 20'),
        'make why FILE=results/demo/papers/ijsat/table1.csv CELL="Net: AT, White box: '
        'PGD-20"',
    ):
        assert what in said
    assert "pgd100" not in said.replace("pgd100 leaves", "")
    worst, gain, mean = (box_of(page, *at) for at in ((1, 3), (3, 2), (1, 4)))
    assert "the worst for each image of pgd20, pgd100" in worst
    assert worst.count("Digest of its code") == 4
    assert "Ours less AT" in gain
    assert gain.count("Digest of its code") == 4
    assert "of Standard, White box: PGD-20, Worst" in mean
    model = next(o["text"] for o in page.all if o.get("id") == "models")
    assert "node7 (cpu), in 2.0 h" in model


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
    assert contents.verdicts(table, 0, 0) == [card]


def test_what_was_not_measured_says_why(page: Page) -> None:
    cells = [o for o in page.named("td") if "not-run" in str(o.get("class"))]
    assert len(cells) == 8  # a row; a number that is not printed, and what rests on it
    assert sum(": nothing; at all" in one["text"] for one in cells) == 4
    notes = [one["text"] for one in page.all if "/note-" in str(one.get("id"))]
    assert sum("average is not the mean of its row (2.00)" in n for n in notes) == 1
    reasons = ("the paper prints no number here", "2 of 3 columns measured")
    for why in ("nothing; at all", *reasons):
        assert sum(why in note for note in notes) == 1
    ijsat = next(one["text"] for one in page.all if one.get("id") == "ijsat")
    assert "it <contradicts>" in ijsat
    assert "snakemake ijsat_table2" in ijsat


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
    looks = [dict(re.findall(r"--(\w+): (#\w+)", r)) for r in CSS.split(":root {")[1:]]
    assert len(looks) == 2
    for look in looks:
        for name in ("ink", "soft", "link", "bad", "good"):
            assert contrast(look[name], look["paper"]) >= 4.5
            assert contrast(look[name], look["shade"]) >= 4.5
        assert contrast(look["focus"], look["paper"]) >= 3


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
    assert "is no picture; delete it" in capfd.readouterr().err


# In the page itself: it turns pages, sorts and opens, and tells what came of it.
PROBE = """
<script>
const seen = {width: innerWidth};
const wide = () => document.documentElement.scrollWidth - innerWidth;
const shown = () => [...document.querySelectorAll("main > .page")]
  .filter(one => one.offsetParent).map(one => one.id);
const turn = async hash => { location.hash = hash;
  await new Promise(done => setTimeout(done, 50)); };
addEventListener("load", async () => {
  seen.first = shown(); seen.wide = [wide()];
  for (const hash of ["#ijsat", "#jat", "#models", "#ijsat/table1/1/2/cell"]) {
    await turn(hash); seen.wide.push(wide());
  }
  seen.there = shown();
  const table = document.getElementById("ijsat/table1/1/2/cell").closest("table");
  const head = table.tHead.rows[0].cells[1], button = head.querySelector("button");
  const order = () => [...table.tBodies[0].rows].map(row => row.cells[0].innerText.trim());
  seen.orders = [];
  for (const _ of [1, 2, 3]) { button.focus(); button.click();
    seen.orders.push([head.getAttribute("aria-sort"), order()]); }
  seen.outline = getComputedStyle(document.activeElement).outlineStyle;
  const why = table.querySelector("button.why");
  const box = document.getElementById(why.getAttribute("popovertarget"));
  seen.boxes = [box.matches(":popover-open")];
  why.focus(); why.click();
  seen.boxes.push(box.matches(":popover-open"), document.activeElement === box);
  seen.inside = box.getBoundingClientRect().right <= innerWidth;
  box.querySelector("a").click();
  await new Promise(done => setTimeout(done, 50));
  seen.boxes.push(box.matches(":popover-open"));
  seen.followed = shown();
  parent.postMessage(seen, "*");
});
</script>
"""
HOST = """
<body><pre id="seen"></pre>
<script>
const all = {};
addEventListener("message", told => {
  all[told.data.width] = told.data;
  seen.textContent = JSON.stringify(all);
});
</script>
<iframe width="1280" height="900" src="page.html"></iframe>
<iframe width="390" height="844" src="page.html"></iframe>
"""


@pytest.fixture(scope="module")
def browsed(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page tells of itself at a desktop's and a phone's width."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed, so the report was not opened")
    folder = tmp_path_factory.mktemp("browser")
    text = report.read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>")
    (folder / "page.html").write_text(text, encoding="utf-8")
    (folder / "host.html").write_text(HOST, encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    told = subprocess.run(
        [
            *(browser, *options, f"--user-data-dir={folder}", "--dump-dom"),
            *("--virtual-time-budget=8000", f"file://{folder}/host.html"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    found = re.search(r'<pre id="seen">(.*?)</pre>', told, re.DOTALL)
    assert found
    return json.loads(found.group(1))


@pytest.mark.parametrize(
    "width", [pytest.param("1280", id="desktop"), pytest.param("390", id="phone")]
)
def test_in_a_browser_pages_turn_tables_sort_and_boxes_open(
    browsed: dict[str, Any], width: str
) -> None:
    seen = browsed[width]
    assert max(seen["wide"]) <= 0
    assert (seen["first"], seen["there"]) == (["overview"], ["ijsat"])
    falling, rising, printed = seen["orders"]
    assert falling[0] == "descending"
    assert rising[0] == "ascending"
    assert printed[0] is None
    names = [[name.split()[0] for name in order] for _, order in seen["orders"]]
    assert names[2] == ["Net:", "Ours", "Gain", "Else"]
    assert names[0][2:] == ["Gain", "Else"], "what was not run comes last"
    assert names[1][0] == "Gain"
    assert names[1][3] == "Else"
    assert seen["outline"] != "none"
    assert seen["boxes"] == [False, True, True, False]
    assert seen["inside"]
    assert seen["followed"] == ["models"]
