"""A checkout: its cards, the files that they speak of, and the tools that move them."""

import json
import os
import re
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from pipeline_steps import layout
from pipeline_steps.core.card import Card, read_card
from pipeline_steps.core.errors import PipelineError, last_words
from pipeline_steps.release.dvc_process import DvcProcess


@dataclass(frozen=True)
class Checkout:
    """A working copy of this project; all paths are relative to its root."""

    root: Path

    def cards(
        self, scale: str, broken: dict[Path, str] | None = None
    ) -> dict[Path, Card]:
        """Every card of a scale, those of its data sets among them.

        What is no card is told in `broken`, and refused where that isn't wanted.
        """
        own = dict(self._read(f"{layout.card_folder(scale)}/**/*.json", broken))
        used = {file for path in own for file in self.below(path, own[path])}
        data = dict(self._read(f"{layout.DATA_CARDS}/*.json", broken))
        origin = {f for p in data if p in used for f in self.below(p, data[p])}
        # What lies in a data set's folder goes where the data set goes.
        sets = {f for p in used | origin if p in data for f in folders(p, data[p])}
        beside = {p for p, card in data.items() if folders(p, card) & sets}
        return own | {p: c for p, c in data.items() if p in used | origin | beside}

    def _read(
        self, pattern: str, broken: dict[Path, str] | None
    ) -> Iterator[tuple[Path, Card]]:
        for path in sorted(self.root.glob(pattern)):
            if path.name.endswith(".record.json") or path.name.startswith("."):
                continue
            file = path.relative_to(self.root)
            try:
                card = _results_only(file, read_card(path))
                if broken is not None and not is_of_its_place(file, card):
                    raise PipelineError("names other files than a card at its place")
                yield file, card
            except PipelineError as error:
                if broken is None:
                    raise
                broken[file] = str(error).replace(f"{path} ", "")

    def below(self, path: Path, card: Card) -> list[Path]:
        """The cards that a card names among its inputs."""
        files = (f for files in card.input_files(path).values() for f in files)
        return [file for file in files if file.suffix == ".json"]

    def chain(self, cards: Mapping[Path, Card], start: Iterable[Path]) -> set[Path]:
        """These cards, and all that they were made from."""
        waiting, chain = list(start), set[Path]()
        while waiting:
            path = waiting.pop()
            if path not in chain and path in cards:
                chain.add(path)
                waiting += self.below(path, cards[path])
        return chain

    def families(self, scale: str, cards: Mapping[Path, Card]) -> list[Path]:
        """The folders of large files that exist, each with a pointer of its own."""
        of_scale = layout.large_folders(scale)
        sets = {
            folder for path, card in cards.items() for folder in folders(path, card)
        }
        return [f for f in [*sorted(sets), *of_scale] if (self.root / f).is_dir()]

    def pointers(self, scale: str) -> list[Path]:
        """The pointers of a scale's families, as Git has them."""
        pointers = [
            *self.root.glob(f"{layout.DATA}/*.dvc"),
            *self.root.glob(f"{layout.scale_folder(scale)}/*.dvc"),
        ]
        return sorted(path.relative_to(self.root) for path in pointers)

    @cached_property
    def cache(self) -> Path:
        """Where DVC keeps its objects: in the checkout, or in a folder of the group."""
        return Path(self.dvc("cache", "dir").strip()).resolve()

    def objects(self, pointers: Iterable[Path]) -> dict[Path, Path]:
        """The object in DVC's cache of each file that is published, there or not."""
        objects = {}
        for pointer in pointers:
            out = yaml.safe_load((self.root / pointer).read_text())["outs"][0]
            folder = pointer.parent / out["path"]
            objects[folder] = listing = self._object(out["md5"])
            if listing.is_file():
                for entry in json.loads(listing.read_text()):
                    inside = Path(entry["relpath"])
                    if inside.is_absolute() or ".." in inside.parts:
                        raise PipelineError(
                            f"{pointer} lists {inside}, which lies outside of {folder}; "
                            "nothing was changed here"
                        )
                    objects[folder / inside] = self._object(entry["md5"])
        return objects

    def _object(self, digest: str) -> Path:
        return self.cache / "files/md5" / digest[:2] / digest[2:]

    def shard_records(self, scale: str) -> Iterator[Path]:
        """Snakemake's records of shards, by which it sees that they need not be remade."""
        folder = self.root / ".snakemake/metadata"
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            name = "".join(part.removeprefix("@") for part in parts)
            if path.is_file() and urlsafe_b64decode(name).startswith(
                f"{layout.scale_folder(scale)}/shards/".encode()
            ):
                yield path.relative_to(self.root)

    def planned(self, scale: str) -> list[str]:
        """The jobs that Snakemake would run now, as its dry run tells them."""
        command = [sys.executable, "-m", "snakemake", "--dry-run"]
        done = self._run([*command, "--config", f"scale={scale}"])
        text = done.stdout + done.stderr
        if done.returncode != 0:
            raise PipelineError(f"snakemake could not plan: {last_words(text)}")
        if "Nothing to be done" in text:
            return []
        blocks = re.split(r"\n(?=(?:local)?rule )", text)[1:]
        return [job for job in map(_job, blocks) if job != "all"]

    def git(self, *arguments: str) -> str:
        done = self._run(["git", *arguments])
        return self._answer("git", arguments, done.returncode, done.stdout, done.stderr)

    def dvc(self, *arguments: str) -> str:
        return self._answer("dvc", arguments, *self._dvc.run(arguments))

    @cached_property
    def _dvc(self) -> DvcProcess:
        return DvcProcess(self.root)

    def remote(self) -> str:
        """The remote that DVC uses, as a user knows it: its name and address."""
        try:
            name = self.dvc("config", "core.remote").strip()
            address = self.dvc("config", f"remote.{name}.url").strip()
        except PipelineError:
            return "the remote"
        return f"the remote '{name}' ({address})"

    def _answer(
        self, tool: str, command: Sequence[str], status: int, out: str, error: str
    ) -> str:
        if status != 0:
            said = _said(error.replace(f"{self.root}/", ""))
            raise PipelineError(f"{tool} {command[0]} failed: {said}")
        return out

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"DVC_NO_ANALYTICS": "1"},
        )


SUMMARY = re.compile(r"failed to \w+ data (from|to) the cloud - \d+ files? failed")


def _said(errors: str) -> str:
    """What a tool gave as its reasons, in one line and each of them once."""
    stripped = (line.strip() for line in errors.splitlines())
    lines = [line for line in stripped if line and "Having any troubles?" not in line]
    first = next((i for i, line in enumerate(lines) if line.startswith("ERROR:")), -1)
    reasons = dict.fromkeys(
        line.removeprefix("ERROR:").strip() for line in lines[first:]
    )
    telling = [
        re.sub(r" - [ :]*$", " - no answer in time", reason)  # DVC's empty reason
        for reason in reasons
        if not SUMMARY.match(reason)
    ]
    return some(telling or reasons or ["it gave no reason"], "; ")


def files_of_card(path: Path) -> list[set[str]]:
    """The files that a card may have, by the kinds of result whose card lies there."""
    return [
        {at.format(**names) for at in kind.files.values()}
        for kind, names in layout.kinds_of(str(path))
    ]


def is_of_its_place(path: Path, card: Card) -> bool:
    """Whether a card speaks, and in full, of the files that lie where it lies."""
    try:
        own = {str(file) for file in card.files(path).values()}
        inputs = [facts for files in card.inputs.values() for facts in files]
        entries = [*card.outputs.values(), *inputs]
        whole = all({"file", "sha256", "bytes"} <= facts.keys() for facts in entries)
    except (AttributeError, KeyError, TypeError):
        return False
    return whole and own in files_of_card(path)


def folders(path: Path, card: Card) -> set[Path]:
    """The folders of data sets that hold a card's files."""
    files = card.files(path).values()
    return {
        Path(*file.parts[:2])
        for file in files
        if file.parts[0] == layout.DATA and layout.is_large(file)
    }


def record_of(file: Path) -> Path:
    """Where Snakemake keeps what it knows of how a file was made."""
    name = urlsafe_b64encode(str(file).encode()).decode()
    parts = [name[i : i + 254] for i in range(0, len(name), 254)]
    return Path(".snakemake/metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])


def _job(block: str) -> str:
    """A planned job as its rule and the values of its wildcards."""
    rule = block.split("rule ", 1)[1].split(":", 1)[0]
    wildcards = re.search(r"^    wildcards: (.*)$", block, re.MULTILINE)
    values = (
        [pair.split("=", 1)[1] for pair in wildcards.group(1).split(", ")]
        if wildcards
        else []
    )
    return " ".join([rule, *values])


def jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"


def size(count: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


SHOWN = 5


def some(items: Iterable[object], between: str = ", ") -> str:
    """The first of many things, and how many more there are."""
    shown = [str(item) for item in items]
    more = f"{between}and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return between.join(shown[:SHOWN]) + more


def _results_only(path: Path, card: Card) -> Card:
    """The card, if each file that it names is a result: a foreign one may name any."""
    for file in card.files(path).values():
        if file.parts[0] not in (layout.DATA, layout.RESULTS):
            raise PipelineError(f"{path} speaks of {file}, which is no result")
    return card
