"""The run card: what a result is, in a small JSON that is the same whenever it is made.

A record beside it describes the run that made it; nothing depends on the record.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline_steps.core import plugins
from pipeline_steps.core.digest import PACKAGE, Code
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, sha256, write_json

CHANGES_NO_RESULT = True

LONGEST = 4096  # the longest path in a card, in characters


@dataclass(frozen=True)
class Card:
    """Settings, digests of code, inputs and outputs, and the resulting numbers."""

    step: str
    spec: dict[str, Any]
    code: dict[str, Any]
    inputs: dict[str, list[dict[str, Any]]]
    outputs: dict[str, dict[str, Any]]
    metrics: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    def seen_from(self, folder: Path) -> "Card":
        """The card with its files' paths relative to its own folder.

        So it is the same in every checkout.
        """

        def near(facts: dict[str, Any]) -> dict[str, Any]:
            return facts | {"file": os.path.relpath(facts["file"], folder)}

        return replace(
            self,
            inputs={
                name: [near(f) for f in files] for name, files in self.inputs.items()
            },
            outputs={role: near(f) for role, f in self.outputs.items()},
        )

    def files(self, card_path: Path) -> dict[str, Path]:
        """The paths of the outputs, by role."""
        return {
            role: Path(os.path.normpath(card_path.parent / facts["file"]))
            for role, facts in self.outputs.items()
        }

    def input_files(self, card_path: Path) -> dict[str, list[Path]]:
        """The paths of the inputs, by name."""
        return {
            name: [Path(os.path.normpath(card_path.parent / f["file"])) for f in files]
            for name, files in self.inputs.items()
        }


def missing_plugins(card: Card) -> list[str]:
    """Packages of plugins that helped to make a result and are not installed here."""
    tops = {name.partition(".")[0] for name in card.code.get("modules", {})} - {PACKAGE}
    return sorted(tops - plugins.roots().keys()) if tops else []


def digests_of(inputs: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """The digests of inputs, without their paths."""
    return {name: [f["sha256"] for f in files] for name, files in inputs.items()}


def code_facts(code: Code) -> dict[str, Any]:
    """A job's code as its card has it, with shortened digests of modules."""
    modules = {name: digest[:16] for name, digest in code.modules.items()}
    return {"digest": code.digest, "modules": modules, "packages": code.packages}


def file_facts(path: Path, place: Path | None = None) -> dict[str, Any]:
    """A card's entry for a file that is at `path`, or will be at `place`."""
    return {
        "file": str(place or path),
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
    }


def read_card(path: Path) -> Card:
    content = read_json(path)
    try:
        card = Card(**content)
        _check_form(card)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise PipelineError(
            f"{path} is not a run card ({error}); delete it and build it again"
        ) from error
    return card


def _check_form(card: Card) -> None:
    """Refuses a card whose parts are missing or of another type."""
    parts = (card.spec, card.code, card.inputs, card.outputs, card.metrics)
    if not isinstance(card.step, str) or not all(isinstance(p, dict) for p in parts):
        raise TypeError("its parts are not what a card has")
    inputs = (facts for files in card.inputs.values() for facts in files)
    for facts in (*inputs, *card.outputs.values()):
        name, size = facts["file"], facts["bytes"]
        if not isinstance(name, str) or not isinstance(facts["sha256"], str):
            raise TypeError("a file in it has no name, or no digest")
        if not isinstance(size, int) or size < 0:
            raise TypeError(f"{name!r} in it has {size!r} bytes")
        if not name.isprintable() or os.path.isabs(name) or len(name) > LONGEST:
            raise ValueError(f"{name!r} in it is no place seen from a card")


def verify(path: Path, card_path: Path, role: str) -> Card:
    """The card of a file, after checking the file against it."""
    card = read_card(card_path)
    promised = card.outputs.get(role)
    if promised is None:
        raise PipelineError(f"{card_path} lists no '{role}'")
    if not path.is_file():
        raise PipelineError(f"{path} is missing; build it, or pull it")
    if path.stat().st_size != promised["bytes"]:
        raise PipelineError(
            f"{path} has {path.stat().st_size:,} bytes where its card {card_path} says "
            f"{promised['bytes']:,}: it is truncated or from another run; delete it and build "
            "or pull it again"
        )
    if sha256(path) != promised["sha256"]:
        raise PipelineError(
            f"{path} does not match its card {card_path}; delete it and build or pull "
            "it again"
        )
    return card
