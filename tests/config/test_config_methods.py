"""The pages of docs/methods describe every setting, as the config has it.

What cites them finds its section.
"""

import fnmatch
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest
from pytest import approx

from pipeline_steps.config.load import load_config
from pipeline_steps.core.registry import ROOT, module_of, words

PAGES = ROOT / "docs/methods"
# As GitHub and MkDocs make it of a heading in letters, digits, spaces and hyphens.
PUNCTUATION = re.compile(r"[^\w\s-]")
# From code, YAML and text: docs/methods/ijsat.md#training. From a page: methods/ijsat.md#….
CITED = re.compile(r"docs/methods/([\w-]+)\.md(#[\w-]+)?")
LINKED = re.compile(r"\]\(([^)\s]*\.md)(#[\w-]+)?\)|\]\((#[\w-]+)\)")
KINDS = ("recipe", "inference", "attack", "perturbation", "objective")


def anchors(page: Path) -> list[str]:
    """The address of each of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (PUNCTUATION.sub("", heading).strip().lower() for heading in headings)
    return [re.sub(r"[\s-]+", "-", heading) for heading in plain]


DOCS = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
ADDRESSES = {page: anchors(page) for page in DOCS}


def tracked() -> list[Path]:
    """The project's text files; new ones that Git doesn't ignore are among them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    binary = {".png", ".svg", ".npy", ".gz", ".safetensors", ".parquet"}
    paths = (ROOT / name for name in listed)
    return [p for p in paths if p.is_file() and p.suffix not in binary]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def cited_in(path: Path) -> Iterator[tuple[str, str]]:
    """Each page of docs/methods that a file cites, and the section, if it names one."""
    for name, anchor in CITED.findall(read(path)):
        yield name, anchor.removeprefix("#")


def code_words(page: Path) -> set[str]:
    """What a page sets as code."""
    return set(re.findall(r"`([^`\n]+)`", page.read_text()))


WRITTEN = set().union(*map(code_words, PAGES.glob("*.md")))
PATTERNS = [word for word in WRITTEN if "*" in word]


def described(name: str) -> bool:
    """Whether a page names it, alone or by a pattern such as `pgd20-*`."""
    return name in WRITTEN or any(fnmatch.fnmatchcase(name, p) for p in PATTERNS)


@pytest.mark.parametrize(
    "page", [p for p in ADDRESSES if p.parent == PAGES], ids=lambda p: p.stem
)
def test_a_heading_has_one_address_that_every_renderer_gives_it(page: Path) -> None:
    addresses = ADDRESSES[page]
    assert sorted(addresses) == sorted(set(addresses))
    assert all(re.fullmatch(r"[a-z0-9-]+", address) for address in addresses)


def test_every_citation_of_the_methods_leads_to_a_section() -> None:
    citations = [
        (str(path.relative_to(ROOT)), name, anchor)
        for path in tracked()
        for name, anchor in cited_in(path)
    ]
    assert len({path for path, _, _ in citations}) > 40  # code, YAML and tests cite
    lost = [
        (path, f"{name}.md#{anchor}")
        for path, name, anchor in citations
        if not (PAGES / f"{name}.md").is_file()
        or (anchor and anchor not in ADDRESSES[PAGES / f"{name}.md"])
    ]
    assert lost == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_links_lead_to_headings(page: Path) -> None:
    lost = []
    for file, anchor, here in LINKED.findall(page.read_text()):
        target = (page.parent / file).resolve() if file else page
        section = (anchor or here).removeprefix("#")
        exists = target in ADDRESSES or (target.is_file() and not section)
        if not exists or (section and section not in ADDRESSES[target]):
            lost.append(f"{file}#{section}")
    assert lost == []


def test_no_file_cites_a_document_that_is_not_there() -> None:
    outside = "METHODS"  # notes that lie outside of the repository
    citing = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path != Path(__file__) and outside in read(path)
    ]
    assert citing == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_a_kind_has_a_section(kind: str) -> None:
    index = (PAGES / "index.md").read_text()
    objectives = (PAGES / "attacks.md").read_text().split("## Objectives")[1]
    table = objectives.split("\n## ")[0] if kind == "objective" else index
    rows = set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE))
    assert set(words(kind)) <= rows


@pytest.mark.parametrize(
    "entries",
    ["defenses.defenses", "defenses.schedules", "threats", "generators", "datasets"],
)
def test_every_entry_of_the_config_is_described(entries: str) -> None:
    named = attrgetter(entries)(load_config("paper"))
    assert [name for name in named if not described(name)] == []


NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?:/\d+)?(?![\w]|\.\d)")
# Where each schedule stands.
SCHEDULES = {
    "ijsat": "ijsat.md#training",
    "dmat": "dmat.md#training",
    "atld": "atld.md#setup",
    "atld-svhn": "atld.md#setup",
    "jat": "jat.md#training",
    "jat-svhn": "jat.md#training",
    "jat-100": "jat.md#training",
    "rlat": "baselines.md#rlat",
    "mixup": "baselines.md#mixup-and-cutout",
    "flow-lp": "baselines.md#mixup-and-cutout",
    "bilateral": "baselines.md#bilateral",
    "feature-scattering": "baselines.md#feature-scattering",
    "trades-released": "baselines.md#trades",
    "mart-released": "baselines.md#mart",
}
UNSEEN = ("fog", "snow", "elastic", "gabor", "jpeg", "l2", "l1-fw", "l1")
LEVELS = {
    "Elastic, px": "elastic-cifar",
    "JPEG, L1": "jpeg-cifar",
    "JPEG, L∞": "jpeg-linf-cifar",
}


def section(address: str) -> str:
    """What stands below a heading, up to the next one."""
    name, anchor = address.split("#")
    parts = re.split(r"^#+ .+$", (PAGES / name).read_text(), flags=re.MULTILINE)
    return parts[1 + ADDRESSES[PAGES / name].index(anchor)]


def numbers(text: str) -> list[float]:
    """The numbers of a text, fractions among them: 1,024, 2e-4, 12.5/255."""
    return [amount(word.replace(",", "")) for word in NUMBER.findall(text)]


def amount(value: float | str) -> float:
    """A number of a page or of the config, which may be a fraction."""
    above, _, below = str(value).partition("/")
    return float(above) / float(below or 1)


def row(text: str, first: str) -> list[str]:
    """The cells of a table's row that follow the one that names it."""
    (line,) = re.findall(rf"^\| {re.escape(first)} \| (.*) \|$", text, re.MULTILINE)
    return line.split(" | ")


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_s_numbers_stand_on_its_page(name: str) -> None:
    schedule = load_config("paper").defenses.schedules[name]
    written = numbers(section(SCHEDULES[name]))
    knots = [number for knot in schedule.knots for number in knot]
    rate = [] if knots else [schedule.learning_rate]
    wanted = [
        schedule.epochs,
        schedule.batch,
        schedule.weight_decay,
        *rate,
        *schedule.drops,
        *knots,
    ]
    assert [n for n in wanted if not any(n == approx(w) for w in written)] == []


@pytest.mark.parametrize("name", UNSEEN)
def test_an_unseen_attack_s_settings_are_those_of_the_page(name: str) -> None:
    threat = load_config("paper").threats[name]
    lines = re.findall(r"^\| (.+)$", section("dmat.md#unseen-attacks"), re.MULTILINE)
    (line,) = (line for line in lines if f"| `{name}` |" in line)
    _, _, budget, step, steps, _ = line.split(" | ")
    (epsilon,) = numbers(budget.partition(" ")[0])
    assert amount(threat.edit["epsilon"]) == approx(epsilon, rel=1e-5)
    assert amount(threat.edit["step_size"]) == approx(sum(numbers(step)), rel=1e-5)
    assert threat.steps == int(steps)


@pytest.mark.parametrize("attack", LEVELS)
def test_uar_s_levels_are_those_that_a_calibration_chooses_from(attack: str) -> None:
    table = section("attacks.md#budgets-of-uar").split("| 32 pixels |")[1]
    family = load_config("paper").threats[LEVELS[attack]].family
    assert [amount(cell) for cell in row(table, attack)] == approx(
        [amount(epsilon) for epsilon in family.epsilon]
    )


@pytest.mark.parametrize("corruption", words("corruption"))
def test_a_corruption_s_strengths_are_those_of_the_page(corruption: str) -> None:
    lines = re.findall(
        r"^\| `(\w+)`.*?\| (.+) \|$", section("datasets.md#corruptions"), re.M
    )
    cells = dict(lines)[corruption].split(" | ")
    strengths = import_module(module_of("corruption", corruption)).SMALL
    levels = [level if isinstance(level, tuple) else (level,) for level in strengths]
    assert [numbers(cell) for cell in cells] == [
        approx(list(level)) for level in levels
    ]
