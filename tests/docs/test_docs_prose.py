"""Pages speak as people do, and say first what they are good for."""

import re
from pathlib import Path

import pytest

from pipeline_steps.core.registry import ROOT

PAGES = sorted((ROOT / "docs").rglob("*.md"))
READ = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
# Phrases that a native speaker wouldn't write, from earlier editions of these pages.
STILTED = re.compile(
    r"what stands behind|a (?:folder|file|screen) a floor|the dearest|what bears a"
    r"|goes? on where it was|all that stands|whatever happened|in a threat's place"
    r"|the house is built|is told beside|nothing stands behind|what is told",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", READ, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_no_stilted_phrase(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert STILTED.findall(text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_begins_with_a_sentence(page: Path) -> None:
    """Not with a table, a command or a picture."""
    text = re.sub(r"^<!--.*?-->\s*", "", page.read_text(encoding="utf-8"))
    title, first, *_ = text.split("\n\n", 2)
    assert title.startswith("# ")
    assert re.match(r"[\w*`\[]", first), first
