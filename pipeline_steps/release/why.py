"""Why a result is what it is: the chain of all that made it, told by cards alone.

Any file that a card speaks of can be explained (a table, a figure, a checkpoint, verdicts),
or a card. The large files themselves need not be here: a clone without a pull can explain.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline_steps import layout
from pipeline_steps.core.card import (
    Card,
    code_facts,
    missing_plugins,
    read_card,
    verify,
)
from pipeline_steps.core.digest import code
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, sha256
from pipeline_steps.core.registry import did_you_mean
from pipeline_steps.papers.results import Cell, MeasuredTable, read_results


def explain(root: Path, what: str | Path, cell: str | None = None) -> dict[str, Any]:
    """The chain behind a file, the file's own step first; plain values, ready for JSON.

    With a cell of a table only the verdicts behind it are followed.
    """
    file = _within(root, what)
    start = _card_of(root, file)
    top: dict[str, Any] = {"what": str(file), "card": str(start)}
    only = None
    if cell is not None:
        shown_cell, only = _cell(root, start, cell)
        top["cell"] = shown_cell.model_dump(mode="json")
    return top | {"steps": _chain(root, start, only)}


def _within(root: Path, what: str | Path) -> Path:
    """A path from the root; links stay what they are, for DVC makes links."""
    absolute = os.path.abspath(root / what)
    file = Path(os.path.relpath(absolute, os.path.abspath(root)))
    if file.parts[:1] == ("..",):
        raise PipelineError(f"{file} is outside this project")
    if (root / file).is_dir():
        raise PipelineError(f"{file} is a folder; name one of its files")
    return file


def _card_of(root: Path, file: Path) -> Path:
    """The card that speaks of a file."""
    if file.name.endswith(".record.json"):
        file = file.with_name(file.name.removesuffix(".record.json") + ".json")
    if layout.is_card(file) and (root / file).is_file():
        return file
    folders = [layout.DATA_CARDS]
    if file.parts[0] == layout.RESULTS and len(file.parts) > 2:
        folders.append(str(layout.card_folder(file.parts[1])))
    paths = (p for folder in folders for p in sorted(root.glob(f"{folder}/**/*.json")))
    cards = [path.relative_to(root) for path in paths if layout.is_card(path)]
    speaks = {f: p for p in cards for f in read_card(root / p).files(p).values()}
    if file in speaks:
        return speaks[file]
    if (root / file).is_file():
        raise PipelineError(f"no card mentions {file}, so nothing is known of it")
    near = did_you_mean(str(file), map(str, [*speaks, *cards]))
    hint = near if near.startswith("; did") else "; build it, or pull it"
    raise PipelineError(f"there is no {file}{hint}")


def _cell(root: Path, path: Path, name: str) -> tuple[Cell, set[Path]]:
    """A cell as the table's results have it, and the cards of its verdicts."""
    card = read_card(root / path)
    results = card.files(path).get("json")
    if results is None or not {"rows", "columns", "runs"} <= card.spec.keys():
        raise PipelineError(f"{path} is not a table's card, so it has no cells")
    # A number is explained only if it is the one that this card speaks of.
    verify(root / results, root / path, "json")
    table = read_results(root / results, MeasuredTable)
    cells = [cell for row in table.cells for cell in row]
    methods = list(dict.fromkeys(cell.method for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    method, _, column = (part.strip() for part in name.rpartition(","))
    if not method or not column:
        kind, known = (
            ("method", methods) if _is_one(column, columns) else ("column", columns)
        )
        raise PipelineError(
            f'a cell is "METHOD, COLUMN", and "{name}" names no {kind}; '
            f"valid: {', '.join(known)}"
        )
    if _is_one(method, columns) and _is_one(column, methods):
        raise PipelineError(f'the method comes first: "{column}, {method}"')
    row = _named("method", method, methods)
    own = {cell.column: cell for cell in cells if cell.method == row}
    cell = own[_named("column", column, own)]
    cards = (os.path.normpath(results.parent / run.card) for run in cell.runs)
    return cell, set(map(Path, cards))


def _named(kind: str, name: str, options: Iterable[str]) -> str:
    known, wanted = {option.casefold(): option for option in options}, name.casefold()
    if wanted in known:
        return known[wanted]
    # Without what is printed over it, where no other is named so.
    bare = [
        option for key, option in known.items() if key.rpartition(": ")[2] == wanted
    ]
    if len(bare) == 1:
        return bare[0]
    # People leave out what stands behind a name: "IJSAT" for "IJSAT (ours)".
    word = re.compile(rf"\b{re.escape(wanted)}(?!\w)")
    near = [option for key, option in known.items() if word.match(key)]
    near = near or [option for key, option in known.items() if wanted in key]
    hint = did_you_mean(near[0] if len(near) == 1 else name, near or known.values())
    raise PipelineError(f"there is no {kind} '{name}'{hint}")


def _is_one(name: str, options: Iterable[str]) -> bool:
    return name.casefold() in (option.casefold() for option in options)


def _chain(root: Path, start: Path, only: set[Path] | None) -> list[dict[str, Any]]:
    """Each step once, depth first; `only` limits the branches of the first."""
    steps: dict[Path, dict[str, Any]] = {}

    def visit(path: Path, limit: set[Path] | None) -> None:
        steps[path] = step = _step(root, path, limit)
        for file in map(Path, (facts["file"] for facts in step["inputs"])):
            if file not in steps and layout.is_card(file) and (root / file).is_file():
                visit(file, None)

    visit(start, only)
    return list(steps.values())


def _step(root: Path, path: Path, only: set[Path] | None) -> dict[str, Any]:
    """All that a card and the record beside it say, and what holds of it today."""
    card = read_card(root / path)
    beside = root / path.with_suffix(".record.json")
    return {
        "card": str(path),
        "step": card.step,
        "seed": card.spec.get("seed"),
        "settings": card.spec,
        "metrics": card.metrics,
        "outputs": _outputs(root, path, card),
        "inputs": _inputs(root, path, card, only),
        "code": _code(root, card),
        "record": read_json(beside) if beside.is_file() else None,
    }


def _outputs(root: Path, path: Path, card: Card) -> list[dict[str, Any]]:
    """Sizes alone are compared: `make pull` reads every byte, this reads none."""
    outputs = []
    for role, file in card.files(path).items():
        facts, whole_path = card.outputs[role], root / file
        state = "not here"
        if whole_path.is_file():
            size = whole_path.stat().st_size
            state = "here" if size == facts["bytes"] else f"here with {size:,} bytes"
        outputs.append({"role": role, **facts, "file": str(file), "state": state})
    return outputs


def _inputs(
    root: Path, path: Path, card: Card, only: set[Path] | None
) -> list[dict[str, Any]]:
    """Each input once, with all names that the step has for it."""
    inputs: dict[Path, dict[str, Any]] = {}
    for name, files in card.input_files(path).items():
        for file, facts in zip(files, card.inputs[name], strict=True):
            if only is not None and file not in only:
                continue
            if file not in inputs:
                state = _state(root / file, facts["sha256"])
                inputs[file] = {**facts, "names": [], "file": str(file), "state": state}
            inputs[file]["names"].append(name)
    return list(inputs.values())


def _state(path: Path, recorded: str) -> str:
    if not path.is_file():
        return "not here"
    return "as recorded" if sha256(path) == recorded else "changed since"


def _code(root: Path, card: Card) -> dict[str, Any]:
    """The code that ran, and how today's differs from it."""
    then = {"modules": {}, "packages": {}, "digest": ""} | card.code
    facts = {"digest": then["digest"], "same": False, "gone": None, "changes": {}}
    for package in missing_plugins(card):
        return facts | {"gone": f"the plugin's package {package} is not installed"}
    try:
        now = code_facts(code(card.step, card.spec, root))
    except PipelineError as error:
        return facts | {"gone": str(error)}
    changes = {
        kind: _changes(then[kind], now[kind])
        for kind in ("modules", "packages")
        if then[kind] != now[kind]
    }
    return facts | {"same": then["digest"] == now["digest"], "changes": changes}


def _changes(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str]]:
    both = then.keys() & now.keys()
    return {
        "added": sorted(now.keys() - then.keys()),
        "removed": sorted(then.keys() - now.keys()),
        "changed": sorted(name for name in both if then[name] != now[name]),
    }
