"""A checkout: its cards, the files that they speak of, and the tools that move them."""

import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.core.card import Card, read_card
from pipeline_steps.core.errors import PipelineError

FAMILIES = ("checkpoints", "curves", "manifolds", "verdicts")
SMALL = ("cards", "logs")  # of the folders below data/


@dataclass(frozen=True)
class Checkout:
    """A working copy of this project; all paths are relative to its root."""

    root: Path

    def cards(self, scale: str) -> dict[Path, Card]:
        """Every card of a scale, those of its data sets among them."""
        own = dict(self._read(f"results/{scale}/cards/**/*.json"))
        used = {file for path in own for file in self.below(path, own[path])}
        data = dict(self._read("data/cards/*.json"))
        origin = {f for p in data if p in used for f in self.below(p, data[p])}
        return own | {p: c for p, c in data.items() if p in used | origin}

    def _read(self, pattern: str) -> Iterator[tuple[Path, Card]]:
        for path in sorted(self.root.glob(pattern)):
            if not path.name.endswith(".record.json"):
                yield path.relative_to(self.root), read_card(path)

    def below(self, path: Path, card: Card) -> list[Path]:
        """The cards that a card names among its inputs."""
        files = (f for files in card.input_files(path).values() for f in files)
        return [file for file in files if file.suffix == ".json"]

    def chain(self, cards: Mapping[Path, Card], start: Iterable[Path]) -> set[Path]:
        """These cards, and all that they were made from."""
        waiting, found = list(start), set[Path]()
        while waiting:
            path = waiting.pop()
            if path not in found and path in cards:
                found.add(path)
                waiting += self.below(path, cards[path])
        return found

    def families(self, scale: str) -> list[Path]:
        """The folders of large files that exist, each with a pointer of its own."""
        of_scale = [Path("results") / scale / family for family in FAMILIES]
        sets = {
            Path(*file.parts[:2])
            for path, card in self.cards(scale).items()
            for file in card.files(path).values()
            if file.parts[0] == "data" and is_large(file)
        }
        return [f for f in [*sorted(sets), *of_scale] if (self.root / f).is_dir()]

    def pointers(self, scale: str) -> list[Path]:
        """The pointers of a scale's families, as Git has them."""
        found = [
            *self.root.glob("data/*.dvc"),
            *self.root.glob(f"results/{scale}/*.dvc"),
        ]
        return sorted(path.relative_to(self.root) for path in found)

    def planned(self, scale: str) -> list[str]:
        """The jobs that Snakemake would run now, as its dry run tells them."""
        command = [sys.executable, "-m", "snakemake", "--dry-run"]
        told = self._run([*command, "--config", f"scale={scale}"])
        text = told.stdout + told.stderr
        if told.returncode != 0:
            last = [line for line in text.strip().splitlines() if line][-3:]
            raise PipelineError(f"snakemake could not plan: {' '.join(last)}")
        if "Nothing to be done" in text:
            return []
        return [_job(block) for block in re.split(r"\n(?=(?:local)?rule )", text)[1:]]

    def git(self, *arguments: str) -> str:
        return self._tool(["git", *arguments], "git")

    def dvc(self, *arguments: str) -> str:
        return self._tool([sys.executable, "-m", "dvc", *arguments], "dvc")

    def _tool(self, command: list[str], name: str) -> str:
        told = self._run(command)
        if told.returncode != 0:
            lines = [line.strip() for line in told.stderr.splitlines() if line.strip()]
            errors = [line[6:].strip() for line in lines if line.startswith("ERROR:")]
            said = "; ".join(dict.fromkeys(errors or lines[-1:])) or "it gave no reason"
            action = next(a for a in command if a in ACTIONS)
            raise PipelineError(f"{name} {action} failed: {said}")
        return told.stdout

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"DVC_NO_ANALYTICS": "1"},
        )


ACTIONS = ("add", "commit", "diff", "fetch", "pull", "push", "rev-parse", "status")


def is_large(file: Path) -> bool:
    """Whether a file's bytes belong to DVC."""
    parts = file.parts
    if parts[0] == "data":
        return len(parts) > 2 and parts[1] not in SMALL
    return len(parts) > 3 and parts[2] in FAMILIES


def record_of(file: Path) -> Path:
    """Where Snakemake keeps what it knows of how a file was made."""
    name = urlsafe_b64encode(str(file).encode()).decode()
    parts = [name[i : i + 254] for i in range(0, len(name), 254)]
    return Path(".snakemake/metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])


def _job(block: str) -> str:
    """A planned job as its rule and the values of its wildcards."""
    rule = block.split("rule ", 1)[1].split(":", 1)[0]
    told = re.search(r"^    wildcards: (.*)$", block, re.MULTILINE)
    values = (
        [pair.split("=", 1)[1] for pair in told.group(1).split(", ")] if told else []
    )
    return " ".join([rule, *values])


def size(count: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
