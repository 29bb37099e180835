"""The config explains itself: every key says what it is."""

import json

import pytest

from pipeline_steps.core.registry import FOLDERS, ROOT

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
    assert names == files
