"""The documentation as a site: whole, offline, and usable in a browser."""

import functools
import http.server
import json
import os
import posixpath
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pipeline_steps.core.registry import ROOT

# What a page loads by itself; links that a reader may click are not among it.
LOADED = re.compile(
    r'<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)="(https?:)?//[^"]*'
)
SECTIONS = [
    "Start here",
    "Tutorials",
    "How-to",
    "Reference",
    "Explanation",
    "Methods",
    "Lab notes",
    "Glossary",
]


def build(site: Path, docs: Path = ROOT / "docs") -> subprocess.CompletedProcess[str]:
    """MkDocs' build of a folder of pages, in which each warning is an error.

    With `--quiet` it would count no warning.
    """
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    config = config.replace("docs_dir: docs", f"docs_dir: {docs}")
    config = config.replace("paths: [.]", f"paths: [{ROOT}]")
    file = site.parent / "mkdocs.yml"
    file.write_text(config, encoding="utf-8")
    return subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict"),
            *("--config-file", str(file), "--site-dir", str(site)),
        ],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        pytest.param("nowhere.md", "nowhere.md", id="no such page"),
        pytest.param("glossary.md#nothing", "#nothing", id="no such heading"),
    ],
)
def test_a_broken_link_ends_the_build(
    tmp_path: Path, link: str, complaint: str
) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page = tmp_path / "docs/index.md"
    page.write_text(f"{page.read_text()}\n[there]({link})\n")
    done = build(tmp_path / "site", tmp_path / "docs")
    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_site_loads_nothing_from_outside(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    outside = {m.group(0) for page in pages for m in LOADED.finditer(page.read_text())}
    # The address of the page itself is no request.
    assert {text for text in outside if 'rel="canonical"' not in text} == set()


def test_the_api_page_describes_every_public_name(site: Path) -> None:
    import robust_papers

    page = (site / "reference/api.html").read_text(encoding="utf-8")
    ids = set(re.findall(r'id="robust_papers\.(\w+)"', page))
    assert set(robust_papers.__all__) <= ids


def test_scripts_and_private_files_stay_out(site: Path) -> None:
    assert not list(site.rglob("*.py"))
    assert (site / "schema/threats.json").is_file()


# Tells the server which results a search in the frame has, once there are some.
HOST = """<!doctype html><meta charset="utf-8"><iframe width="1400" height="900"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.src = "index.html" + location.search;
const waiting = setInterval(() => {
  const found = frame.contentDocument.querySelectorAll(".md-search-result__link");
  if (!found.length) return;
  clearInterval(waiting);
  const links = [...found].map(link => link.getAttribute("href"));
  fetch("seen", { method: "POST", body: JSON.stringify(links) });
}, 200);
</script>
"""


@dataclass
class Browser:
    """Chromium, alone with one server on this machine."""

    program: str
    profile: Path
    address: str
    requests: list[str]
    reported: queue.Queue[str]

    def open(self, page: str, *options: str, width: int = 1400) -> tuple[str, str]:
        """The page after its scripts ran, and what the browser complained about."""
        done = subprocess.run(
            [
                *(self.program, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--enable-logging=stderr", "--log-level=0", "--hide-scrollbars"),
                f"--user-data-dir={self.profile}",
                f"--window-size={width},900",
                "--virtual-time-budget=10000",
                # What would leave this machine fails, and the console says so.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                *options,
                "--dump-dom",
                page if "://" in page else self.address + page,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return done.stdout, "\n".join(said)

    def results(self, words: str) -> list[str]:
        """The pages that the site's search finds, as a reader who waits sees them."""
        # The search runs in a worker, for which the browser's virtual time doesn't wait.
        options = ("--headless", "--no-sandbox", "--disable-gpu")
        profile = f"--user-data-dir={self.profile}"
        page = f"{self.address}host.html?q={words}"
        with subprocess.Popen(
            [self.program, *options, profile, "--remote-debugging-port=0", page],
            stderr=subprocess.DEVNULL,
        ) as running:
            try:
                return json.loads(self.reported.get(timeout=60))
            finally:
                running.terminate()


@pytest.fixture(scope="module")
def browser(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed, so the site was not opened")
    requests: list[str] = []
    reported: queue.Queue[str] = queue.Queue()
    (site / "host.html").write_text(HOST, encoding="utf-8")

    class Server(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form: str, *values: object) -> None:
            requests.append(form % values)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            reported.put(self.rfile.read(length).decode())
            self.send_response(204)
            self.end_headers()

    handler = functools.partial(Server, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        profile = tmp_path_factory.mktemp("profile")
        yield Browser(program, profile, address, requests, reported)
        server.shutdown()


@pytest.mark.parametrize("page", ["index.html", "tutorials/laptop.html"])
def test_a_page_opens_without_a_complaint(browser: Browser, page: str) -> None:
    browser.requests.clear()
    dom, complaints = browser.open(page)
    assert complaints == ""
    assert browser.requests
    failed = [line for line in browser.requests if '" 404' in line]
    assert [line for line in failed if "favicon" not in line] == []
    tabs = re.findall(r'class="md-tabs__link"[^>]*>\s*([^<]*?)\s*</a>', dom)
    assert tabs == SECTIONS


def test_the_search_finds_a_threat(browser: Browser) -> None:
    results = browser.results("pgd20")
    assert any("reference/" in link for link in results), results


def test_a_stranger_finds_how_to_add_an_attack(browser: Browser) -> None:
    """By links alone, from the first page: each click takes what names it best."""
    page, clicks = "index.html", 0
    wanted = re.compile(r"\badd (?:a threat|an? attack)\b", re.IGNORECASE)
    while not page.endswith("#add-a-threat"):
        dom, _ = browser.open(page)
        links = re.findall(r'<a href="([^"]+)"[^>]*>\s*([^<]+?)\s*</a>', dom)
        targets = [target for target, text in links if wanted.search(text)]
        assert targets, f"no link on {page} says how to add an attack"
        page, clicks = posixpath.normpath(f"{page}/../{targets[0]}"), clicks + 1
        assert clicks <= 3
    dom, complaints = browser.open(page)
    assert complaints == ""
    assert page.startswith("explanation/architecture.html")
    assert re.search(r'<h3 id="add-a-threat">\s*Add a threat', dom)


def test_the_search_finds_how_to_add_an_attack(browser: Browser) -> None:
    results = browser.results("add+attack")
    assert any("architecture.html" in link for link in results), results


def test_the_search_works_in_a_page_that_is_opened_as_a_file(
    browser: Browser, site: Path
) -> None:
    dom, complaints = browser.open(f"{(site / 'index.html').as_uri()}?q=pgd20")
    assert complaints == ""
    results = re.findall(r'<a href="([^"]*)" class="md-search-result__link"', dom)
    assert any("reference/" in link for link in results), results


def test_the_navigation_of_the_config_is_that_of_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [next(iter(part)) for part in yaml.safe_load(text)["nav"]] == SECTIONS
