"""The chain behind a result as people read it: a tree on a terminal, else plain text."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_steps.core.registry import FOLDERS
from pipeline_steps.papers.results import Cell
from pipeline_steps.papers.wording import remarks

SHORT = 12


@dataclass
class Branch:
    """A step's heading, what is said of it, and what it was made from."""

    heading: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    branches: list["Branch"] = field(default_factory=list)


def show(explained: Mapping[str, Any]) -> None:
    """Prints what `why.explain` found."""
    top, trunk = heading(explained), branch(explained)
    if sys.stdout.isatty():
        _show_tree(top, trunk)
    else:
        print("\n".join([*top, "", *plain(trunk)]))


def document(explained: Mapping[str, Any]) -> str:
    """The same as one JSON document."""
    return json.dumps(explained, indent=2, ensure_ascii=False)


def heading(explained: Mapping[str, Any]) -> list[str]:
    """What is explained: the file, and the numbers of its cell."""
    if "cell" not in explained:
        return [explained["what"]]
    cell = Cell.model_validate(explained["cell"])
    numbers = [
        f"{name} {number:.2f}" if number is not None else f"not {name}"
        for name, number in (
            ("published", cell.published),
            ("measured", cell.measured),
        )
    ]
    if cell.interval is not None:
        numbers[-1] += f" [{cell.interval.low:.2f}, {cell.interval.high:.2f}]"
        numbers.append(f"{cell.images} images")
        numbers.append("1 seed" if cell.seeds == 1 else f"{cell.seeds} seeds")
    lines = [explained["what"], f"{cell.method}, {cell.column}"]
    return [*lines, ", ".join(numbers), *(f"! {text}" for text in remarks(cell))]


def branch(explained: Mapping[str, Any]) -> Branch:
    """The steps as a tree; a step that several need is told where it first comes."""
    steps = {step["card"]: step for step in explained["steps"]}
    shown: set[str] = set()

    def grow(card: str) -> Branch:
        shown.add(card)
        step = steps[card]
        grown = Branch(f"{step['step']}  {card}", list(facts(step)))
        for source in step["inputs"]:
            names = ", ".join(name.removesuffix("_card") for name in source["names"])
            if source["file"] in shown:
                below = Branch(f"{names}: {source['file']}, told above")
            elif source["file"] in steps:
                below = grow(source["file"])
                below.heading = f"{names}: {below.heading}"
            else:
                below = Branch(f"{names}: {_file(source)}")
            grown.branches.append(below)
            if source["state"] != "as recorded":
                below.facts.insert(0, ("!", f"this input is {source['state']}"))
        return grown

    return grow(explained["card"])


def facts(step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is said of one step, line by line."""
    for output in step["outputs"]:
        state = "" if output["state"] == "here" else f", {output['state']}"
        yield "made", f"{_file(output)}{state}"
    settings = {k: brief(v) for k, v in step["settings"].items() if k != "seed"}
    short = [f"{k} {v}" for k, v in settings.items() if v and "(" not in v]
    if short:
        yield "set", ", ".join(short)
    for name, value in settings.items():
        if value and "(" in value:
            yield "set", f"{name} {value}"
    if step["seed"] is not None:
        yield "seed", str(step["seed"])
    yield from _code(step["code"])
    yield "run", _run(step["record"])


def _file(facts: Mapping[str, Any]) -> str:
    return f"{facts['file']} ({facts['sha256'][:SHORT]})"


def brief(value: Any) -> str:
    """A setting on one line: `pixel(epsilon 0.1)`; nothing where it is no short one."""
    if isinstance(value, dict):
        kind = next(
            (k for k in (*FOLDERS, "name") if isinstance(value.get(k), str)), ""
        )
        word = value.get(kind, "")
        # A generator's own name says nothing new where it is the word itself.
        rest = {k: brief(v) for k, v in value.items() if k != kind and v != word}
        inner = ", ".join(f"{name} {text}" for name, text in rest.items() if text)
        return f"{word}({inner})" if inner else word
    if isinstance(value, list):
        plain = all(isinstance(item, str | int | float) for item in value)
        named = all(isinstance(item, dict) and item.keys() & FOLDERS for item in value)
        # Rows and runs of a table would drown the rest; JSON has them.
        return f"[{', '.join(map(brief, value))}]" if plain or (named and value) else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value[:SHORT]
    return "" if value is None else str(value)


def _code(code: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    digest = code["digest"][:SHORT]
    if code["gone"]:
        yield "code", f"{digest}; today {code['gone']}"
        return
    if code["same"]:
        yield "code", f"{digest}, the same as today's"
        return
    yield "code", f"{digest}; today's code differs:"
    for kind, changes in code["changes"].items():
        for how, names in changes.items():
            if names:
                yield "!", f"{kind} {how}: {', '.join(names)}"


def _run(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "no record"
    seconds = record.get("seconds")
    parts = [
        record.get("started", ""),
        f"{seconds:,.1f} s" if seconds is not None else "",
        " on ".join(filter(None, (record.get("device"), record.get("machine")))),
        f"revision {record['revision']}" if record.get("revision") else "",
    ]
    return ", ".join(part for part in parts if part)


def plain(trunk: Branch, depth: int = 0) -> Iterator[str]:
    """One fact a line, indented, for pipes and files."""
    yield f"{'  ' * depth}{trunk.heading}"
    for label, text in trunk.facts:
        yield f"{'  ' * depth}  {label:<5}{text}"
    for below in trunk.branches:
        yield from plain(below, depth + 1)


def _show_tree(top: list[str], trunk: Branch) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    console = Console()
    console.print(Text(top[0], style="bold"))
    for line in top[1:]:
        console.print(Text(line, style="yellow" if line.startswith("!") else ""))

    def grow(branch: Branch) -> Tree:
        text = Text(branch.heading, style="bold")
        for label, said in branch.facts:
            style = "yellow" if label == "!" else "dim" if label == "set" else ""
            text.append(f"\n{label:<5}{said}", style=f"not bold {style}")
        tree = Tree(text, guide_style="dim")
        for below in branch.branches:
            tree.add(grow(below))
        return tree

    console.print(grow(trunk))
