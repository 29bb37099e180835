"""Edits of config files by the keys that they hold, not by their text."""

import json
from pathlib import Path
from typing import Any

import yaml

GONE = object()


def set_key(path: Path, key: str, value: Any) -> None:
    """Sets one value of a file by its dotted key; GONE takes it away."""
    # By way of JSON, since anchors would share what is edited.
    content = json.loads(json.dumps(yaml.safe_load(path.read_text())))
    *parents, last = key.split(".")
    inside = content
    for part in parents:
        inside = inside[int(part) if isinstance(inside, list) else part]
    at: int | str = int(last) if isinstance(inside, list) else last
    if value is GONE:
        del inside[at]
    else:
        inside[at] = value
    path.write_text(yaml.safe_dump(content, sort_keys=False))
