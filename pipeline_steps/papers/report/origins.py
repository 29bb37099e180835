"""Where a number comes from: the cards and records behind it, in words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_steps.core.digest import spec_text, text_digest
from pipeline_steps.papers.report.contents import Contents, Result
from pipeline_steps.papers.report.parts import (
    Fact,
    code,
    details,
    duration,
    facts,
    link,
    tag,
)
from pipeline_steps.papers.style import escape

DIGITS = 12


def anchor_of(result: Result) -> str:
    """Where the report tells of a model."""
    return f"card/{result.name}"


def why(file: Path, cell: str = "") -> str:
    """What to type for the whole chain."""
    option = f' CELL="{cell}"' if cell else ""
    return code(f"make why FILE={file}{option}")


def settings(title: str, content: Any) -> str:
    """Settings as the card has them, folded."""
    return details(title, tag("pre", escape(json.dumps(content, indent=1))))


def facts_of(result: Result) -> Iterator[Fact]:
    """What any card says of its result, and the record of its run."""
    card, record = result.card, result.record
    yield "Card", code(str(result.path))
    yield "Digest of its settings", code(text_digest(spec_text(card.spec))[:DIGITS])
    yield "Digest of its code", code(str(card.code.get("digest", ""))[:DIGITS])
    if "seed" in card.spec:
        yield "Seed", escape(str(card.spec["seed"]))
    for role, file in card.files(result.path).items():
        digest = card.outputs[role]["sha256"][:DIGITS]
        yield f"File: {role}", f"{code(str(file))}, sha256 {code(digest)}"
    if record:
        yield "Made", escape(_made(record))


def _made(record: dict[str, Any]) -> str:
    where = f"on {record.get('machine', '?')} ({record.get('device', '?')})"
    parts = [f"{record.get('started', '')} {where}".strip()]
    parts += [f"in {duration(float(record.get('seconds', 0)))}"]
    parts += [f"{record.get('peak_memory_mb', 0)} MB of memory"]
    if record.get("peak_gpu_memory_mb"):
        parts.append(f"{record['peak_gpu_memory_mb']} MB of a GPU's")
    if record.get("revision"):
        parts.append(f"at revision {record['revision']}")
    return ", ".join(parts)


def verdict(contents: Contents, path: Path) -> str:
    """One file of verdicts: under which threat, of which model, by which run."""
    result = contents.results[path]
    model = contents.model(path)
    lines: list[Fact] = []
    if model:
        card = code(str(model.path))
        lines.append(("Model", f"{link(anchor_of(model), model.name)}, {card}"))
    return facts([*lines, *facts_of(result)]) + settings(
        "Settings of the threat", result.card.spec.get("threat")
    )
