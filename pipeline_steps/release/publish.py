"""Publishes a scale's results: bytes to DVC's remote, what ties them together to Git."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps import layout
from pipeline_steps.config.load import refuse_unknown_scale
from pipeline_steps.core.card import Card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.release.checkout import Checkout, jobs, record_of, size, some
from pipeline_steps.release.verify import damaged, without_card


@dataclass(frozen=True)
class Published:
    """What a publication put where."""

    commit: str | None
    """The commit that was made; none where everything was published already."""
    files: int
    bytes: int
    families: list[Path]


def publish(root: Path = ROOT, scale: str = "demo") -> Published:
    """Results of a clean DAG, published whole: bytes first, then one commit."""
    refuse_unknown_scale(scale, root)
    checkout = Checkout(root)
    refuse_other_changes(checkout, scale)
    cards = checkout.cards(scale)
    if not cards:
        raise PipelineError(
            f"there are no results of scale {scale}; run snakemake first"
        )
    planned = checkout.planned(scale)
    if planned:
        raise PipelineError(
            f"snakemake would still run {jobs(len(planned))} ({some(planned)}); let it, "
            "then publish"
        )
    own_files(checkout, cards)
    families = [str(family) for family in checkout.families(scale, cards)]
    add(checkout, cards, scale, families)
    try:
        checkout.dvc("push", *families)
    except PipelineError as error:
        raise PipelineError(
            f"{checkout.remote()} said: {error}; nothing was committed, so publish again "
            "once that is fixed"
        ) from error
    commit = commit_all(checkout, cards, scale)
    large = [facts for card in cards.values() for facts in card.outputs.values()]
    return Published(
        commit=commit,
        files=len(large),
        bytes=sum(facts["bytes"] for facts in large),
        families=checkout.families(scale, cards),
    )


def refuse_other_changes(checkout: Checkout, scale: str) -> None:
    """A release commit holds results alone, so nothing else may wait in Git."""
    status = checkout.git("status", "--porcelain=v1", "-z", "--untracked-files=all")
    changed = [entry[3:] for entry in status.split("\0") if entry]
    ours = (f"{layout.DATA}/", f"{layout.scale_folder(scale)}/", ".snakemake/")
    results = f"{layout.RESULTS}/"  # of other scales: neither published nor in the way
    other = [f for f in changed if not f.startswith(ours) and not f.startswith(results)]
    if other:
        raise PipelineError(
            f"Git has changes other than results ({some(other)}); commit or stash "
            "them first, so that the release says which code made it"
        )


def add(
    checkout: Checkout, cards: dict[Path, Card], scale: str, families: list[str]
) -> None:
    """Gives all bytes to DVC, or leaves the pointers alone if a file is not as it should."""
    before = {p: (checkout.root / p).read_bytes() for p in checkout.pointers(scale)}
    with ThreadPoolExecutor() as pool:  # both read every byte, so they read together
        check = pool.submit(damaged, checkout, cards)
        checkout.dvc("add", "--no-relink", *families)
        findings = [*check.result(), *without_card(checkout, scale, cards)]
    if not findings:
        return
    for pointer in checkout.pointers(scale):
        if pointer in before:
            (checkout.root / pointer).write_bytes(before[pointer])
        else:
            (checkout.root / pointer).unlink()
    raise PipelineError(f"nothing was published: {some(findings)}")


def own_files(checkout: Checkout, cards: dict[Path, Card]) -> None:
    """Replaces links into Snakemake's cache by copies with the same times."""
    for path, card in cards.items():
        record = path.with_suffix(".record.json")
        for file in [path, record, *card.files(path).values()]:
            place = checkout.root / file
            if not place.is_symlink() or checkout.cache in place.resolve().parents:
                continue
            copy = place.with_name(f".copy-{os.getpid()}-{place.name}")
            shutil.copy2(place, copy)
            copy.replace(place)


def commit_all(checkout: Checkout, cards: dict[Path, Card], scale: str) -> str | None:
    """One commit of pointers, cards, pages and Snakemake's records."""
    made = [
        f for path, card in cards.items() for f in [path, *card.files(path).values()]
    ]
    beside = [path.with_suffix(".record.json") for path in cards]
    pages = (checkout.root / layout.scale_folder(scale)).glob(
        "*.*"
    )  # they have no card
    overview = [path.relative_to(checkout.root) for path in pages]
    records = [record_of(file) for file in [*made, *beside, *overview]]
    records += checkout.shard_records(scale)
    known = [str(record) for record in records if (checkout.root / record).is_file()]
    pointers = [str(pointer) for pointer in checkout.pointers(scale)]
    ignored = [
        f for f in [f"{layout.DATA}/.gitignore"] if (checkout.root / f).is_file()
    ]  # by DVC
    wanted = [str(layout.scale_folder(scale)), layout.DATA_CARDS, *pointers, *ignored]
    checkout.git("add", "--all", "--", *wanted)
    for begin in range(0, len(known), 500):
        checkout.git("add", "--", *known[begin : begin + 500])
    if not checkout.git("diff", "--cached", "--name-only").strip():
        return None
    checkout.git(
        "commit", "--quiet", "--message", f"Publish the results of scale {scale}"
    )
    return checkout.git("rev-parse", "--short", "HEAD").strip()


def text(published: Published) -> str:
    """A publication as a person reads it."""
    lines = [f"  {family}" for family in published.families]
    lines.append(f"{published.files:,} files, {size(published.bytes)}")
    if published.commit:
        lines.append(f"published as commit {published.commit}; share it with git push")
    else:
        lines.append("all of it was published already")
    return "\n".join(lines)
