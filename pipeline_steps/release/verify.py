"""What is wrong between the cards, their files and Snakemake's records, by name.

`robust-papers verify` looks at every result of a scale. Snakemake alone does not tell: it
looks at times and at what its targets need, so a checkpoint that is gone or damaged plans
no job while the tables that came of it are there.
"""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps import layout
from pipeline_steps.cluster.launch import LOCK, only_controller
from pipeline_steps.config.load import refuse_unknown_scale
from pipeline_steps.core.card import Card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, sha256
from pipeline_steps.core.lock import is_unfinished, sweep
from pipeline_steps.core.progress import say
from pipeline_steps.jobs.planned import planner
from pipeline_steps.layout import is_large, large_folders
from pipeline_steps.release.checkout import (
    Checkout,
    files_of_card,
    record_of,
    size,
    some,
)

# As many read at once as keep a disk busy; to take digests is a core's work.
THREADS = min(4, os.cpu_count() or 1)
# After each round Snakemake has made what was found; a card may hide what is behind it.
ROUNDS = 5
SHOWN = 100


@dataclass(frozen=True)
class Finding:
    """Something that does not fit: the file, and what is wrong with it."""

    file: Path
    what: str
    damaged: bool = False
    """Whether the file lies there and is worth nothing."""
    makes_again: bool = True
    """Whether another run of its job would mend it."""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def damaged(checkout: Checkout, cards: Mapping[Path, Card]) -> list[Finding]:
    """Files that are missing or differ from what their cards say."""
    expected = [
        (checkout.root / file, file, path, card.outputs[role])
        for path, card in cards.items()
        for role, file in card.files(path).items()
    ]

    def check(entry: tuple[Path, Path, Path, dict]) -> Finding | None:
        place, file, card_path, promised = entry
        if not place.is_file():
            return Finding(file, f"is missing, and its card {card_path} is there")
        if place.stat().st_size != promised["bytes"]:
            size = place.stat().st_size
            what = f"has {size:,} bytes where {card_path} says {promised['bytes']:,}"
            return Finding(file, what, damaged=True)
        if sha256(place) != promised["sha256"]:
            return Finding(file, f"does not match its card {card_path}", damaged=True)
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        return [finding for finding in pool.map(check, expected) if finding]


def without_card(
    checkout: Checkout, scale: str, cards: Mapping[Path, Card]
) -> Iterator[Finding]:
    """Large files that no card speaks of."""
    known = {file for path, card in cards.items() for file in card.files(path).values()}
    folders = large_folders(scale)
    for folder in [
        *folders,
        *(f for f in checkout.families(scale, cards) if f not in folders),
    ]:
        for place in sorted((checkout.root / folder).rglob("*")):
            file = place.relative_to(checkout.root)
            if not place.is_dir() and is_large(file) and file not in known:
                yield Finding(file, "has no card, so nothing is known of it")


def without_record(checkout: Checkout, cards: Mapping[Path, Card]) -> Iterator[Finding]:
    """Results of which Snakemake has no record, so that it can't see if they are stale."""
    for path, card in cards.items():
        record = path.with_suffix(".record.json")
        for file in [path, record, *card.files(path).values()]:
            if not (checkout.root / record_of(file)).is_file():
                what = "has no record in .snakemake/metadata"
                yield Finding(file, what, makes_again=False)


# ---- All results of a scale --------------------------------------------------------------


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what does not fit."""

    results: int
    files: int
    bytes: int
    findings: list[Finding]


def verify(root: Path, scale: str) -> Verified:
    """Every result of a scale, against its card."""
    checkout = Checkout(root)
    broken: dict[Path, str] = {}
    cards = checkout.cards(scale, broken)
    if not cards and not broken:
        refuse_unknown_scale(scale, root)
        raise PipelineError(
            f"there are no results of scale {scale}; run snakemake first"
        )
    findings = [
        *(Finding(path, what, damaged=True) for path, what in broken.items()),
        *damaged(checkout, cards),
        *_made_from_others(checkout, cards),
        *_unknown(checkout, scale, cards, broken),
        *_without_run(checkout, cards),
        *without_record(checkout, cards),
    ]
    large = [facts for card in cards.values() for facts in card.outputs.values()]
    return Verified(
        results=len(cards) + len(broken),
        files=len(large),
        bytes=sum(facts["bytes"] for facts in large),
        findings=list({f.file: f for f in reversed(findings)}.values())[::-1],
    )


def scales_of(root: Path) -> list[str]:
    """The scales that have results here."""
    folders = (root / layout.RESULTS).glob("*/cards")
    return sorted(folder.parent.name for folder in folders)


def _made_from_others(
    checkout: Checkout, cards: Mapping[Path, Card]
) -> Iterator[Finding]:
    """Cards whose results were made from other cards than lie there now.

    Where others were made from what lies there, the one that says otherwise is wrong.
    """
    said: dict[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path, card in cards.items():
        inputs = card.input_files(path)
        for name, files in card.inputs.items():
            for file, facts in zip(inputs[name], files, strict=True):
                if layout.is_card(file):
                    said[file][facts["sha256"]].append(path)
    for file, digests in said.items():
        if not (checkout.root / file).is_file():
            by = some(path for paths in digests.values() for path in paths)
            yield Finding(file, f"is missing, and {by} was made from it")
            continue
        now = sha256(checkout.root / file)
        others = [
            path for digest, paths in digests.items() if digest != now for path in paths
        ]
        if now not in digests and others:
            what = f"is not the card that {some(others)} was made from"
            yield Finding(file, what, damaged=True)
        elif others:
            for path in others:
                yield Finding(path, f"was made from another {file}", damaged=True)


def _unknown(
    checkout: Checkout,
    scale: str,
    cards: Mapping[Path, Card],
    broken: Mapping[Path, str],
) -> Iterator[Finding]:
    """Results that no card speaks of, large or small."""
    known = {str(f) for path, card in cards.items() for f in card.files(path).values()}
    known |= {f for path in broken for files in files_of_card(path) for f in files}
    named = {str(path) for path in [*cards, *broken]}
    large = {f.file for f in without_card(checkout, scale, cards)}
    found = (checkout.root / layout.scale_folder(scale)).rglob("*")
    small = {path.relative_to(checkout.root) for path in found if path.is_file()}
    for file in sorted(large | small):
        if str(file) in known:
            continue
        if is_unfinished(file):
            what = "is what a job was writing when it was killed, or writes now"
            yield Finding(file, what, makes_again=False)
            continue
        kinds = [
            (kind, names) for kind, names in layout.kinds_of(str(file)) if kind.card
        ]
        cards_of_it = {str(kind.card).format(**names) for kind, names in kinds}
        if str(file) in cards_of_it or any(kind.temporary for kind, _ in kinds):
            continue
        if file.name.endswith(".record.json") and cards_of_it & named:
            continue  # told with its card
        if file in large or kinds:
            yield Finding(file, "has no card, so nothing is known of it")


def _without_run(checkout: Checkout, cards: Mapping[Path, Card]) -> Iterator[Finding]:
    """Results whose record, of the run that made them, is missing or damaged."""
    for path in cards:
        record = path.with_suffix(".record.json")
        if not (checkout.root / record).is_file():
            yield Finding(record, f"is missing, and its card {path} is there")
            continue
        try:
            read_json(checkout.root / record)
        except PipelineError:
            yield Finding(record, "is not readable JSON", damaged=True)


# ---- Mending -----------------------------------------------------------------------------


def repair(root: Path, scale: str, cores: int) -> Verified:
    """Removes what is damaged, and has Snakemake make it and what is missing again."""
    with only_controller(LOCK):
        if any((root / ".snakemake/locks").glob("*")):
            raise PipelineError(
                "a run of Snakemake works in this checkout, or was killed; wait for it, or "
                "run `snakemake --unlock`, then repair"
            )
        sweep(root)
        before: Counter[str] = Counter()
        for _ in range(ROUNDS):
            verified = verify(root, scale)
            mendable = [f for f in verified.findings if _is_made_here(root, scale, f)]
            now = Counter(map(str, mendable))
            if not mendable or now == before:
                break
            before = now
            _make_again(root, scale, mendable, cores)
        return verify(root, scale)


def _is_made_here(root: Path, scale: str, finding: Finding) -> bool:
    """Whether a job of today's config makes this file."""
    if not finding.makes_again:
        return False
    try:
        planner(scale, root).that_makes(str(finding.file))
    except PipelineError:
        return False
    return True


def _make_again(root: Path, scale: str, findings: list[Finding], cores: int) -> None:
    """In the order of the rules, so that what is made from a result finds it made."""
    ranks = list(layout.RULES)
    by_rule: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        rule = planner(scale, root).that_makes(str(finding.file)).result.rule
        by_rule[ranks.index(rule)].append(finding)
    for _, group in sorted(by_rule.items()):
        for finding in group:
            if finding.damaged:
                say(f"removed {finding}")
                (root / finding.file).unlink(missing_ok=True)
        files = sorted({str(finding.file) for finding in group})
        say(f"snakemake makes {some(files)}")
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
        # Each is asked for by name, for what was made from it asks for nothing.
        command += [*files, "--forcerun", *files, "--keep-going"]
        command += ["--config", f"scale={scale}"]
        subprocess.run(command, cwd=root, check=False)


def text(verified: Verified, scale: str) -> str:
    """What was looked at and what does not fit, as a person reads it."""
    lines = [
        f"{scale}: {verified.results:,} results, {verified.files:,} files, "
        f"{size(verified.bytes)}"
    ]
    lines += [f"  {finding}" for finding in verified.findings[:SHOWN]]
    if len(verified.findings) > SHOWN:
        lines.append(f"  and {len(verified.findings) - SHOWN} more")
    if not verified.findings:
        lines.append("each is as its card says")
    return "\n".join(lines)
