"""Generates pages from the code: schemas, reference, rule graph.

`python -m docs.generate` writes them; with `--check` it fails if one is out of date.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from pydantic import TypeAdapter

from pipeline_steps.config.datasets import Dataset
from pipeline_steps.config.defenses import Defenses
from pipeline_steps.config.generators import Generator
from pipeline_steps.config.load import scales
from pipeline_steps.config.papers import Paper
from pipeline_steps.config.scales import Scale
from pipeline_steps.config.threats import ThreatConfig
from pipeline_steps.config.user_models import Own
from pipeline_steps.core import registry
from pipeline_steps.core.settings import Word, settings_of
from pipeline_steps.jobs.rules import Rules
from pipeline_steps.papers.names import Names

HERE = Path(__file__).parent

FILES: dict[str, tuple[str, Any]] = {
    "scale": ("scales/SCALE.yaml", Scale),
    "datasets": ("datasets.yaml", dict[Word, Dataset]),
    "generators": ("generators.yaml", dict[Word, Generator]),
    "threats": ("threats.yaml", dict[Word, ThreatConfig]),
    "defenses": ("defenses.yaml", Defenses),
    "paper": ("papers/PAPER.yaml", Paper),
    "own": ("own.yaml", Own),
    "names": ("names.yaml", Names),
}


def pages() -> Iterator[tuple[Path, str]]:
    """Every generated page with its current content."""
    schemas = {name: _schema(name) for name in FILES}
    for name, schema in schemas.items():
        text = json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False)
        yield HERE / "schema" / f"{name}.json", text + "\n"
    yield HERE / "reference/config.md", "\n".join(_reference(schemas)) + "\n"
    yield HERE / "tutorials/notebook.md", _notebook(HERE / "tutorials/notebook.ipynb")
    # Of the papers' size: at the demo's, a defense's features stand behind other defenses,
    # so that a rule stands behind itself.
    yield HERE / "pictures/rulegraph.svg", _drawing(rule_graph("paper"))


def _schema(name: str) -> dict[str, Any]:
    schema = TypeAdapter(FILES[name][1]).json_schema()
    plain = _with_registered(schema, definitions := schema.pop("$defs", {}))
    for key in list(definitions):
        definitions[key] = _with_registered(definitions[key], definitions)
    return {
        "title": f"workflow/config/{FILES[name][0]}",
        **plain,
        "$defs": definitions,
    }


def _with_registered(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema, with each mark of a registered kind made a reference."""
    if isinstance(schema, list):
        return [_with_registered(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("registered")
    if not isinstance(kind, str):
        return {k: _with_registered(v, definitions) for k, v in schema.items()}
    if kind not in definitions:
        definitions[kind] = {}  # stands already, for kinds that hold themselves
        definitions[kind] = {
            "anyOf": [
                {"enum": list(registry.own_words(kind))},
                *(_entry(kind, word, definitions) for word in registry.own_words(kind)),
            ]
        }
    rest = {k: v for k, v in schema.items() if k in ("title", "description", "default")}
    return {"$ref": f"#/$defs/{kind}", **rest}


def _entry(kind: str, word: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The settings of one registered class, with its word."""
    schema = settings_of(kind, word).model_json_schema()
    definitions.update(schema.pop("$defs", {}))
    properties = {kind: {"const": word}, **schema.get("properties", {})}
    return {
        **_with_registered(schema, definitions),
        "properties": _with_registered(properties, definitions),
        "required": [kind, *schema.get("required", [])],
    }


def _reference(schemas: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "# Config"
    yield ""
    yield "Look up here what each key of `workflow/config/` means, which values it takes and"
    yield "what its default is. Every key is checked before any job starts."
    yield f"There are these scales: {', '.join(scales())}."
    yield ""
    yield "Each file names its JSON schema on its first line, so an editor with a YAML language"
    yield "server (VS Code, Neovim, Emacs, PyCharm) completes and checks keys while you type:"
    yield ", ".join(f"[{name}](../schema/{name}.json)" for name in schemas) + "."
    yield ""
    yield "`make docs` writes this page from the typed models in `pipeline_steps/config/`; edit"
    yield "those instead."
    for name, schema in schemas.items():
        yield from ["", f"## workflow/config/{FILES[name][0]}"]
        shown = [("", schema)] if "properties" in schema else []
        for title, part in [*shown, *schema.get("$defs", {}).items()]:
            yield from _table(title, part)
    yield from ["", "## Registered things", ""]
    yield "These are the words that the config can name: each is a file with a class of the"
    yield "same name. Where its settings come from is in"
    yield "[methods](../methods/index.md#where-each-word-is-described)."
    for kind in registry.FOLDERS:
        yield from [
            "",
            f"### {kind}",
            "",
            "| word | what | settings |",
            "|---|---|---|",
        ]
        for word in registry.own_words(kind):
            settings = ", ".join(_settings(kind, word)) or "none"
            yield f"| `{word}` | {registry.about(kind, word)} | {settings} |"


def _settings(kind: str, word: str) -> Iterator[str]:
    for name, field in settings_of(kind, word).model_fields.items():
        yield f"`{name}`" if field.is_required() else f"`{name}` = `{field.default}`"


def _table(title: str, schema: dict[str, Any]) -> Iterator[str]:
    if "properties" not in schema:
        return
    if title:
        yield from ["", f"### {title}"]
    yield from ["", str(schema.get("description", "")).replace("\n", " "), ""]
    yield from ["| key | type | default | what |", "|---|---|---|---|"]
    required = schema.get("required", [])
    first, *others = (o["required"] for o in schema.get("anyOf", [{"required": []}]))
    instead = ", ".join(f"`{key}`" for other in others for key in other)
    unless = dict.fromkeys(first, f"required, or {instead}")
    for key, field in schema["properties"].items():
        value = field.get("default")
        optional = "none" if value in (None, {}, []) else f"`{value}`"
        default = "required" if key in required else unless.get(key, optional)
        what = str(field.get("description", "")).replace("\n", " ")
        yield f"| `{key}` | {_type(field)} | {default} | {what} |"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if several := field.get("anyOf") or field.get("oneOf"):
        options = dict.fromkeys(map(_type, several))
        return " or ".join(option for option in options if option != "none")
    if "enum" in field or "const" in field:
        return " or ".join(f"`{v}`" for v in field.get("enum", [field.get("const")]))
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    if kind == "object":
        return _type_of_mapping(field)
    return "none" if kind == "null" else kind


def _type_of_mapping(field: dict[str, Any]) -> str:
    schemas = [
        field.get("additionalProperties"),
        *field.get("patternProperties", {}).values(),
    ]
    inside = next((schema for schema in schemas if isinstance(schema, dict)), {})
    values = _type(inside)
    return "settings" if values in ("any", "settings") else f"names with {values}"


def _notebook(path: Path) -> str:
    """A notebook as a page: its text, its code and what that printed."""
    parts = ["<!-- Made by `make docs` from notebook.ipynb; edit that. -->"]
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        code = cell["cell_type"] == "code"
        parts.append(f"```python\n{text}\n```" if code else text)
        printed = "".join(
            line for output in cell.get("outputs", []) for line in output["text"]
        )
        if printed:
            parts.append(f"```text\n{printed.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


# A flow of a data set on a manifold learns from the images that a GAN has projected: the
# rules go in a circle, their jobs don't.
BACK = {(rule, "train_flow") for rule in ("project_dataset", "gather_manifold")}


def rule_graph(scale: str) -> tuple[set[str], set[tuple[str, str]]]:
    """The rules of a scale's whole pipeline, and which feeds which."""
    jobs = Rules(scale)
    pages = [jobs.target(p, page) for p, some in jobs.papers.items() for page in some]
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--forceall"]
    told = subprocess.run(
        [*command, "--config", f"scale={scale}", "--", "all", *pages],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    labels = dict(re.findall(r'^\s*(\d+)\s*\[label = "(\w+)', told, re.MULTILINE))
    edges = re.findall(r"^\s*(\d+) -> (\d+)", told, re.MULTILINE)
    return set(labels.values()), {(labels[a], labels[b]) for a, b in edges}


def _drawing(graph: tuple[set[str], set[tuple[str, str]]]) -> str:
    """The rule graph from left to right, each rule behind all that it needs."""
    rules, edges = graph
    back, edges = edges & BACK, edges - BACK
    left = dict.fromkeys(rules, 0)  # how many rules still follow, at the most
    for _ in rules:
        for a, b in edges:
            left[a] = max(left[a], left[b] + 1)
    columns = [
        sorted(rule for rule in rules if left[rule] == distance)
        for distance in reversed(range(max(left.values()) + 1))
    ]
    place = {
        rule: (2.4 * x, (len(column) - 1) / 2 - i)
        for x, column in enumerate(columns)
        for i, rule in enumerate(column)
    }
    # A path that skips a column would run through the boxes between.
    direct = {(a, b) for a, b in edges if not _reaches(a, b, edges - {(a, b)})}
    settings = {"svg.hashsalt": "rules", "svg.fonttype": "none", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(1.75 * len(columns), 3))
        axes = figure.add_axes((0, 0, 1, 1))
        for a, b in sorted(direct):
            (x, y), (u, v) = place[a], place[b]
            arrow = {"arrowstyle": "-|>", "color": "0.5", "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (u - 0.95, v), (x + 0.95, y), arrowprops=arrow)
        for a, b in sorted(back):
            (x, y), (u, v) = place[a], place[b]
            arrow = {"arrowstyle": "-|>", "color": "0.5", "linestyle": "dashed"}
            arrow |= {"connectionstyle": "arc3,rad=0.2", "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (u, v + 0.27), (x, y + 0.27), arrowprops=arrow)
        for rule, (x, y) in place.items():
            box = FancyBboxPatch(
                (x - 0.9, y - 0.22),
                1.8,
                0.44,
                "round,pad=0.05",
                fc="#e8f1f8",
                ec="#0072b2",
            )
            axes.add_patch(box)
            axes.text(x, y, rule, ha="center", va="center")
        heights = [y for _, y in place.values()]
        axes.set_xlim(-1.1, 2.4 * len(columns) - 1.3)
        axes.set_ylim(min(heights) - 0.5, max(heights) + 0.5)
        axes.axis("off")
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _reaches(start: str, end: str, edges: set[tuple[str, str]]) -> bool:
    following = {b for a, b in edges if a == start}
    return end in following or any(_reaches(rule, end, edges) for rule in following)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a page is stale"
    )
    check = parser.parse_args().check
    stale = []
    for path, text in pages():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path.relative_to(HERE.parent)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale and check:
        sys.exit(
            f"error: out of step with the code: {', '.join(stale)}; run `make docs`"
        )


if __name__ == "__main__":
    main()
