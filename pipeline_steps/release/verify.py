"""What is wrong between the cards, their files and Snakemake's records, by name."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.core.card import Card
from pipeline_steps.core.files import sha256
from pipeline_steps.layout import is_large, large_folders
from pipeline_steps.release.checkout import Checkout, record_of

THREADS = 2


@dataclass(frozen=True)
class Finding:
    """Something that does not fit: the file, and what is wrong with it."""

    file: Path
    what: str

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
            return Finding(
                file, f"has {size:,} bytes where {card_path} says {promised['bytes']:,}"
            )
        if sha256(place) != promised["sha256"]:
            return Finding(file, f"does not match its card {card_path}")
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
                yield Finding(file, "has no record in .snakemake/metadata")
