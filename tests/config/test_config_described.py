"""The config explains itself: every key says what it is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipeline_steps.core.registry import FOLDERS, ROOT

YAML = sorted((ROOT / "workflow/config").rglob("*.yaml"))
MARK = "# yaml-language-server: $schema="
SCHEMAS = sorted((ROOT / "docs/schema").glob("*.json"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_every_key_is_described(path):
    schema = json.loads(path.read_text())
    parts = {name: s for name, s in schema["$defs"].items() if name not in FOLDERS}
    silent = [
        f"{name}.{key}"
        for name, part in [(path.stem, schema), *parts.items()]
        for key, field in part.get("properties", {}).items()
        if not field.get("description")
    ]
    assert silent == []


def test_there_is_a_schema_for_every_file():
    names = {path.stem for path in SCHEMAS}
    files = {"scale", "datasets", "generators", "threats", "defenses", "paper", "own"}
    assert names == files | {"names"}


def named_schema(path: Path) -> Any:
    """What an editor checks a file by, as the first line of the file says."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(MARK)
    schema = (path.parent / first.removeprefix(MARK)).resolve()
    assert schema in SCHEMAS
    return json.loads(schema.read_text())


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.stem)
def test_an_editor_knows_the_schema_of_a_file_and_finds_no_fault(path):
    schema = named_schema(path)
    Draft202012Validator.check_schema(schema)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    faults = Draft202012Validator(schema).iter_errors(content)
    assert [(list(fault.absolute_path), fault.message) for fault in faults] == []


@pytest.mark.parametrize(
    ("file", "keys", "value"),
    [
        ("defenses.yaml", ["defenses", "at", "recipe"], "tradse"),
        (
            "defenses.yaml",
            ["defenses", "at", "architecture"],
            {"architecture": "resnet"},
        ),
        ("defenses.yaml", ["defenses", "new"], {"title": "of nothing"}),
        ("threats.yaml", ["pgd20", "edit", "epsilonn"], 1),
        ("datasets.yaml", ["cifar10", "classes"], "ten"),
        ("papers/jat.yaml", ["tables", "table3", "colums"], []),
        ("scales/demo.yaml", ["seeds"], []),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, list) else None,
)
def test_an_editor_marks_what_the_pipeline_would_refuse(file, keys, value):
    path = ROOT / "workflow/config" / file
    # Through JSON, for an edit of what an anchor shares would be an edit of all.
    content = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))
    inside = content
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    faults = [*Draft202012Validator(named_schema(path)).iter_errors(content)]
    depth = len(keys) - 1
    assert [list(fault.absolute_path)[:depth] for fault in faults] == [keys[:-1]]


@pytest.mark.parametrize("name", ["generate", "report", "ijsat"])
def test_a_script_of_the_docs_that_is_asked_for_help_makes_nothing(name):
    made = ("**/*.md", "schema/*", "pictures/*")
    pages = {
        path: path.stat().st_mtime_ns
        for kind in made
        for path in (ROOT / "docs").glob(kind)
    }
    assert len(pages) > 40
    command = [sys.executable, "-m", f"docs.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: ")
    assert {path: path.stat().st_mtime_ns for path in pages} == pages
