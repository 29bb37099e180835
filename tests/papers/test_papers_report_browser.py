"""The report in a browser: what it does by itself, and what a stranger finds how quickly."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

# In the page itself: it turns pages, sorts, opens and filters, and tells what came of it.
PROBE = """
<script>
const seen = {width: innerWidth, questions: {}};
const pause = (time = 60) => new Promise(done => setTimeout(done, time));
const wide = () => document.documentElement.scrollWidth - innerWidth;
const by = anchor => document.getElementById(anchor);
const shown = () => [...document.querySelectorAll("main > .page")]
  .filter(one => one.offsetParent).map(one => one.id);
const turn = async hash => { location.hash = hash; await pause(); };
const is_seen = one => { const box = one.getBoundingClientRect();
  return one.checkVisibility() && box.bottom > 0 && box.top < innerHeight; };
let clicks = 0;
const click = async one => { clicks += 1; one.scrollIntoView({block: "center"});
  one.focus(); one.click(); await pause(); };
const link = (text, within = document) =>
  [...within.querySelectorAll("nav a")].find(one => one.textContent === text);
const ask = async (question, find) => {
  await turn("#overview"); clicks = 0;
  seen.questions[question] = {answer: await find(), clicks};
};

async function look() {
  seen.first = shown(); seen.wide = [wide()]; seen.titles = [document.title];
  for (const hash of ["#ijsat", "#jat", "#models", "#ijsat/table1/1/2/cell"]) {
    await turn(hash); seen.wide.push(wide()); seen.titles.push(document.title);
  }
  seen.there = shown();
}

async function sorted() {
  const table = by("ijsat/table1/1/2/cell").closest("table");
  const head = table.tHead.rows[0].cells[1], button = head.querySelector("button");
  const order = () => [...table.tBodies[0].rows]
    .map(row => [...row.cells[0].childNodes].filter(one => one.nodeType === 3)
      .map(one => one.textContent.trim()).join(""));
  seen.orders = [];
  for (const _ of [1, 2, 3]) { button.focus(); button.click();
    seen.orders.push([head.getAttribute("aria-sort"), order()]); }
  seen.outline = getComputedStyle(document.activeElement).outlineStyle;
  const frame = table.closest(".wide"), corner = table.tHead.rows[0].cells[0];
  const at = one => Math.round(one.getBoundingClientRect().left);
  frame.scrollLeft = 0;
  const before = [at(corner), at(table.tBodies[0].rows[0].cells[0]), at(head)];
  frame.scrollLeft = 100;
  const after = [at(corner), at(table.tBodies[0].rows[0].cells[0]), at(head)];
  seen.scrolled = {room: frame.scrollWidth - frame.clientWidth, before, after};
  frame.scrollLeft = 0;
}

async function opened() {
  const why = by("ijsat/table1/1/2/cell").querySelector("button.why");
  const box = by(why.getAttribute("popovertarget"));
  const is_open = () => box.matches(":popover-open");
  seen.boxes = [is_open()];
  await click(why);
  seen.boxes.push(is_open(), document.activeElement === box);
  seen.address = decodeURIComponent(location.hash);
  seen.title = document.title;
  seen.marked = by("ijsat/table1/1/2/cell").matches(".opened");
  const place = box.getBoundingClientRect();
  seen.inside = place.right <= innerWidth && place.bottom <= innerHeight;
  box.querySelector("[popovertargetaction=hide]").click(); await pause();
  seen.closed = [is_open(), document.activeElement === why,
    decodeURIComponent(location.hash)];
  await turn("#overview"); await turn("#ijsat/table1/1/2");
  seen.shared = [is_open(), shown(), is_seen(by("ijsat/table1/1/2/cell"))];
  box.querySelector("dd a").click(); await pause();
  seen.followed = [is_open(), shown()];
}

async function filtered() {
  await turn("#ijsat/claims");
  const input = document.querySelector("#ijsat input[type=search]");
  const left = () => [...document.querySelectorAll("#ijsat .claim")]
    .filter(one => one.checkVisibility()).map(one => one.id.split("/").at(-1));
  seen.claims = [left()];
  for (const text of ["three", ""]) { input.value = text;
    input.dispatchEvent(new Event("input")); await pause(); seen.claims.push(left()); }
}

async function enlarged() {
  await turn("#ijsat/figure1");
  const button = document.querySelector("#ijsat button.enlarge");
  button.focus(); button.click(); await pause();
  const dialog = document.querySelector("dialog"), image = dialog.querySelector("img");
  seen.enlarged = [dialog.open, image.src === button.querySelector("img").src,
    image.alt.length > 20];
  dialog.querySelector("button").click(); await pause();
  seen.enlarged.push(dialog.open, document.activeElement === button);
}

async function asked() {
  await ask("what came out for IJSAT's Table 1?", async () => {
    await click(link("IJSAT"));
    await click(link("Table 1", by("ijsat")));
    const cell = by("ijsat/table1/1/2/cell");
    return is_seen(cell) && cell.querySelector(".why").firstChild.textContent;
  });
  await ask("is the claim held?", async () => {
    await click(link("IJSAT"));
    await click(link("Claims", by("ijsat")));
    const input = document.querySelector("#ijsat input[type=search]");
    input.value = "it <two>"; input.dispatchEvent(new Event("input")); await pause();
    const left = [...document.querySelectorAll("#ijsat .claim")].filter(is_seen);
    const answer = left.length === 1 && left[0].closest(".claims").children[0].innerText;
    input.value = ""; input.dispatchEvent(new Event("input"));
    return answer;
  });
  await ask("where does this number come from?", async () => {
    await click(document.querySelector(".leaderboard td a.why"));
    const box = document.querySelector(":popover-open");
    return box && is_seen(box) && /verdicts.digits.at.clean/.test(box.innerText)
      && box.querySelector("h4").innerText;
  });
  await ask("which defense is best under JSA-50?", async () => {
    const heads = [...document.querySelectorAll(".leaderboard th button.sort")];
    const head = heads.find(one => one.innerText === "JSA-50");
    await click(head);
    const first = head.closest("table").tBodies[0].rows[0].cells[0];
    return is_seen(first) && first.firstChild.textContent.trim();
  });
}

addEventListener("load", async () => {
  try { for (const part of [look, sorted, opened, filtered, enlarged, asked]) await part(); }
  catch (error) { seen.error = `${error}`; }
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
WIDTHS = [pytest.param("1280", id="desktop"), pytest.param("390", id="phone")]


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
    started = time.monotonic()
    page = subprocess.run(
        [
            *(browser, *options, f"--user-data-dir={folder}", "--dump-dom"),
            *("--virtual-time-budget=20000", f"file://{folder}/host.html"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    seen = re.search(r'<pre id="seen">(.*?)</pre>', page, re.DOTALL)
    assert seen
    told = json.loads(seen[1].replace("&lt;", "<").replace("&gt;", ">"))
    assert {w: each.get("error") for w, each in told.items()} == dict.fromkeys(told)
    return told | {"seconds": time.monotonic() - started}


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_turn_and_nothing_is_too_wide(
    browsed: dict[str, Any], width: str
) -> None:
    seen = browsed[width]
    assert max(seen["wide"]) <= 0
    assert (seen["first"], seen["there"]) == (["overview"], ["ijsat"])
    own = "Adversarial robustness: printed and measured"
    assert seen["titles"] == [
        *(own, f"IJSAT · {own}", f"JAT · {own}", f"Models · {own}", f"IJSAT · {own}"),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_sorts_and_what_was_not_run_comes_last(
    browsed: dict[str, Any], width: str
) -> None:
    seen = browsed[width]
    assert [order for order, _ in seen["orders"]] == ["descending", "ascending", None]
    names = [[name.split()[0] for name in order] for _, order in seen["orders"]]
    assert names[2] == ["AT", "Ours", "Gain", "Else"]
    assert names[0][2:] == ["Gain", "Else"]
    assert (names[1][0], names[1][3]) == ("Gain", "Else")
    assert seen["outline"] != "none"


def test_on_a_phone_the_corner_of_a_wide_table_stays(browsed: dict[str, Any]) -> None:
    seen = browsed["390"]["scrolled"]
    assert seen["room"] >= 100
    assert seen["after"][:2] == seen["before"][:2]
    assert seen["after"][2] == seen["before"][2] - 100


@pytest.mark.parametrize("width", WIDTHS)
def test_a_box_has_an_address_a_title_and_a_marked_cell(
    browsed: dict[str, Any], width: str
) -> None:
    seen = browsed[width]
    assert seen["boxes"] == [False, True, True]
    assert seen["address"] == "#ijsat/table1/1/2"
    assert seen["title"].startswith("Net: AT, White box: PGD-20 · IJSAT, Table 1 · ")
    assert seen["marked"]
    assert seen["inside"]
    assert seen["closed"] == [False, True, "#ijsat/table1/1/2/cell"]
    assert seen["shared"] == [True, ["ijsat"], True]
    assert seen["followed"] == [False, ["models"]]


@pytest.mark.parametrize("width", WIDTHS)
def test_claims_filter_and_figures_enlarge(browsed: dict[str, Any], width: str) -> None:
    seen = browsed[width]
    decided, filtered, again = seen["claims"]
    assert decided == again == ["one", "two", "four"]  # what was not run is folded away
    assert filtered == ["three"]
    assert seen["enlarged"] == [True, True, True, False, True]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("question", "answer", "clicks"),
    [
        pytest.param("what came out for IJSAT's Table 1?", "40.5", 2, id="a table"),
        pytest.param(
            "is the claim held?", "✗ does not hold at this scale: 1", 2, id="a claim"
        ),
        pytest.param(
            "where does this number come from?",
            "Net: AT, Standard",
            1,
            id="a number",
        ),
        pytest.param("which defense is best under JSA-50?", "IJSAT", 1, id="the best"),
    ],
)
def test_a_stranger_finds(
    browsed: dict[str, Any], width: str, question: str, answer: str, clicks: int
) -> None:
    assert browsed[width]["questions"][question] == {"answer": answer, "clicks": clicks}


def test_a_stranger_waits_for_nothing(browsed: dict[str, Any]) -> None:
    """Two windows are opened and eight questions answered, on whatever machine tests run."""
    assert browsed["seconds"] < 60
