"""Inputs that mean harm: each stands once, as a case of a test and as a row of a page.

`python -m tests.hostile` writes docs/lab-notes/hostile-inputs.md anew.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LONGEST = 120
TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/lab-notes/hostile-inputs.md"
BEGIN, END = (
    "<!-- The tables are written by `python -m tests.hostile`. -->\n",
    "<!-- end -->\n",
)


@dataclass(frozen=True)
class Hostile:
    """An input: what it is, what happens, and what a test needs to make it."""

    what: str
    happens: str
    value: Any = None


def hostile(*inputs: Hostile) -> Any:
    """Runs a test with each of these inputs, and lists them on the page."""
    names = [re.sub(r"[^\w.-]+", "-", each.what).strip("-") for each in inputs]
    return pytest.mark.parametrize("bad", inputs, ids=names)


def listed() -> Iterator[tuple[str, str, list[Hostile]]]:
    """Each such test: its file, its name, and its inputs."""
    for path in sorted(TESTS.glob("*/test_*_hostile.py")):
        module = _loaded(path)
        for name, test in vars(module).items():
            for mark in getattr(test, "pytestmark", ()):
                if mark.name == "parametrize" and mark.args[0] == "bad":
                    file = path.relative_to(TESTS.parent).as_posix()
                    yield file, name, list(mark.args[1])


def _loaded(path: Path) -> Any:
    sys.path[:0] = [str(TESTS.parent), str(TESTS), str(path.parent)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tables() -> str:
    """A table for each test; the number of inputs stands above them."""
    tests = list(listed())
    count = sum(len(inputs) for _, _, inputs in tests)
    parts = [f"{count} inputs, {len(tests)} tests.\n"]
    for file, name, inputs in tests:
        title = name.removeprefix("test_").replace("_", " ").capitalize()
        rows = (f"| {_cell(each.what)} | {_cell(each.happens)} |\n" for each in inputs)
        parts.append(
            f"## {title}\n\n`{file}::{name}`\n\n| Input | What happens |\n|---|---|\n"
            f"{''.join(rows)}"
        )
    return "\n".join(parts)


def _cell(text: str) -> str:
    """Text as Markdown shows it; between backticks it is code, and stays as it is."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}…"
    parts = text.replace("\n", " ").replace("|", r"\|").split("`")
    if len(parts) != 3:
        return " ".join(_plain(part) for part in parts)
    return f"{_plain(parts[0])}<code>{_plain(parts[1])}</code>{_plain(parts[2])}"


def _plain(text: str) -> str:
    """Without what Markdown or HTML would take for its own."""
    return "".join(f"&#{ord(c)};" if c in "<>&*_[]{}\\" else c for c in text)


def with_tables(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
