"""A job's file for the tests of steps, from the words that they have for its files."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline_steps.core.job_file import JobFile

Files = Mapping[str, Any] | Iterable[str]


def job_words(
    step: str,
    spec: BaseModel | Mapping[str, Any],
    outputs: Files,
    inputs: Files = (),
    parts: Files = (),
    code: str | None = None,
) -> list[str]:
    """The arguments of a step: where its job is described."""
    plain = spec.model_dump(mode="json") if isinstance(spec, BaseModel) else spec
    job = JobFile(
        step,
        dict(plain),
        {role: paths[0] for role, paths in _named(outputs).items()},
        _named(inputs),
        _named(parts),
        code,
    )
    path = Path(tempfile.mkdtemp(prefix="job-"), "job.json")
    job.write(path)
    return [str(path)]


def _named(files: Files) -> dict[str, list[str]]:
    """`a=1 2 b=3` as names with lists of paths."""
    if isinstance(files, Mapping):
        lists = {n: p if isinstance(p, list) else [p] for n, p in files.items()}
        return {
            name: [str(path) for path in paths if path != ""]
            for name, paths in lists.items()
        }
    named: dict[str, list[str]] = {}
    name = ""
    for word in files:
        head, equals, tail = word.partition("=")
        name = head if equals else name
        path = tail if equals else word
        named.setdefault(name, [])
        if path:
            named[name].append(path)
    return named
