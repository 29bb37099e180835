"""Pulls published results, checks each file against its card, and says what is left."""

import difflib
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.config.load import refuse_unknown_scale
from pipeline_steps.core.card import Card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, did_you_mean
from pipeline_steps.layout import RULES, is_large
from pipeline_steps.release.checkout import Checkout, jobs, size, some
from pipeline_steps.release.verify import (
    Finding,
    damaged,
    without_card,
    without_record,
)

SHOWN = 20
UNSAVED = "Can't remove the following unsaved files"


@dataclass(frozen=True)
class Pulled:
    """What a pull brought, what does not fit, and what Snakemake would run."""

    files: int
    bytes: int
    findings: list[Finding]
    planned: list[str]


def pull(
    root: Path = ROOT,
    scale: str = "demo",
    paper: str | None = None,
    defense: str | None = None,
    paths: Sequence[Path] = (),
) -> Pulled:
    """The files of a scale, or of a part of it, fetched and checked."""
    checkout = Checkout(root)
    cards, pointers = checkout.cards(scale), checkout.pointers(scale)
    if not cards or not pointers:
        refuse_unknown_scale(scale, root)
        raise PipelineError(
            f"nothing of scale {scale} was published in this commit; run snakemake, or "
            "check out a commit that `make publish` made"
        )
    whole = not (paper or defense or paths)
    wanted = cards if whole else chosen(checkout, cards, scale, paper, defense, paths)
    files = [f for p, c in wanted.items() for f in c.files(p).values() if is_large(f)]
    if files:
        bring(checkout, wanted, pointers, pointers if whole else files)
    with ThreadPoolExecutor() as pool:
        plan = pool.submit(checkout.planned, scale)
        findings = damaged(checkout, wanted)
        planned = plan.result()
    if findings:
        findings = mend(checkout, wanted, pointers, findings)
        planned = checkout.planned(scale)
    if whole:
        findings += [
            *without_card(checkout, scale, cards),
            *without_record(checkout, cards),
        ]
    places = [checkout.root / file for file in files]
    return Pulled(
        files=len(files),
        bytes=sum(place.stat().st_size for place in places if place.is_file()),
        findings=findings,
        planned=planned,
    )


def chosen(
    checkout: Checkout,
    cards: Mapping[Path, Card],
    scale: str,
    paper: str | None,
    defense: str | None,
    paths: Sequence[Path],
) -> dict[Path, Card]:
    """The cards of a part: a paper with all behind it, a defense, or single paths."""
    part: set[Path] = set()
    if paper:
        part |= checkout.chain(cards, _of_paper(cards, paper))
    if defense:
        part |= _of_defense(cards, defense)
    for path in paths:
        part |= _holding(cards, path)
    return {path: cards[path] for path in sorted(part)}


def _of_paper(cards: Mapping[Path, Card], paper: str) -> list[Path]:
    """The cards of a paper's own tables and figures."""
    papers = _words(cards, "make_table", "paper")
    pages = [path for path, name in papers.items() if name == paper]
    _refuse_nothing(pages, "paper", paper, set(papers.values()))
    return pages


def _of_defense(cards: Mapping[Path, Card], defense: str) -> set[Path]:
    """The cards of a defense's checkpoints."""
    trained = _words(cards, "train_defense", "defense")
    judged = _words(cards, "attack_defense", "defense")
    of_it = {path for path, name in trained.items() if name == defense}
    if not of_it:  # it answers with the weights of another one
        verdicts = [path for path, name in judged.items() if name == defense]
        of_it = {cards[path].input_files(path)["weights_card"][0] for path in verdicts}
    _refuse_nothing(of_it, "defense", defense, {*trained.values(), *judged.values()})
    return of_it


def _words(cards: Iterable[Path], rule: str, wildcard: str) -> dict[Path, str]:
    """What each card of a rule's results has for a wildcard."""
    named = ((path, RULES[rule].names_in(str(path))) for path in cards)
    return {path: names[wildcard] for path, names in named if names}


def _holding(cards: Mapping[Path, Card], wanted: Path) -> set[Path]:
    """The cards of a file, or of all files in a folder."""
    files = {path: list(card.files(path).values()) for path, card in cards.items()}
    holding = {
        path
        for path, own in files.items()
        for file in [path, *own]
        if file == wanted or wanted in file.parents
    }
    names = {str(file) for own in files.values() for file in own}
    near = difflib.get_close_matches(str(wanted), names, n=1)
    _refuse_nothing(holding, "published path", str(wanted), set(near))
    return holding


def _refuse_nothing(
    matches: Collection[Path], kind: str, name: str, known: set[str]
) -> None:
    if not matches:
        raise PipelineError(f"there is no {kind} '{name}'{did_you_mean(name, known)}")


def bring(
    checkout: Checkout,
    cards: Mapping[Path, Card],
    pointers: Sequence[Path],
    targets: Sequence[Path],
) -> None:
    """Fetches everything, and changes the workspace only once all of it is there.

    DVC alone would take the old files away before it finds that a new one is missing.
    """
    failure = None
    with ThreadPoolExecutor() as pool:
        pool.submit(lambda: checkout.cache)  # asks DVC, which takes a while to start
        try:
            checkout.dvc("fetch", *map(str, targets))
        except PipelineError as error:
            failure = error
    absent = [] if _no_answer(failure) else _absent(checkout, cards, pointers)
    if absent or failure:
        what = f"gave no whole copy of {some(absent)}" if absent else f"said: {failure}"
        raise PipelineError(
            f"{checkout.remote()} {what}; nothing was changed here, so pull again "
            "once the remote is fixed"
        ) from failure
    lay_out(checkout, cards, targets)


def _no_answer(failure: PipelineError | None) -> bool:
    """Whether a fetch failed as a whole, not for want of single objects."""
    return failure is not None and "failed to transfer" not in str(failure)


def _absent(
    checkout: Checkout, cards: Mapping[Path, Card], pointers: Sequence[Path]
) -> list[str]:
    """What these cards need and DVC's cache lacks, by name and by object."""
    needed = {
        file for path, card in cards.items() for file in card.files(path).values()
    }
    listings = {folder for file in needed for folder in file.parents}
    return [
        f"{file} (object {place.parent.name}/{place.name})"
        for file, place in checkout.objects(pointers).items()
        if file in needed | listings and not place.is_file()
    ]


def lay_out(
    checkout: Checkout, cards: Mapping[Path, Card], targets: Sequence[Path]
) -> None:
    """Puts fetched files into the workspace, and takes away none made here alone."""
    try:
        checkout.dvc("checkout", *map(str, targets))
    except PipelineError as error:
        if UNSAVED not in str(error):
            raise
        different = [f.file for f in damaged(checkout, cards) if is_large(f.file)]
        own = [file for file in different if (checkout.root / file).is_file()]
        if own:
            raise PipelineError(
                f"{some(own)} would be lost: made here and never published; publish, or "
                "delete what you don't need, then pull again"
            ) from error
        if different:
            checkout.dvc("checkout", *map(str, different))


def mend(
    checkout: Checkout,
    cards: Mapping[Path, Card],
    pointers: Sequence[Path],
    findings: Sequence[Finding],
) -> list[Finding]:
    """Throws away objects of the cache that rotted, and pulls them once more."""
    objects = checkout.objects(pointers)
    rotten = [
        finding.file
        for finding in findings
        if finding.file in objects and _is_rotten(objects[finding.file])
    ]
    for file in rotten:
        objects[file].unlink()
    if rotten:
        bring(checkout, cards, pointers, rotten)
    return damaged(checkout, cards)


def _is_rotten(place: Path) -> bool:
    """Whether an object of DVC's cache has other bytes than its name says."""
    if not place.is_file():
        return False
    with place.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest() != place.parent.name + place.name


def text(pulled: Pulled) -> str:
    """What came, what does not fit, and what is left to do, as a person reads it."""
    lines = [
        f"{pulled.files:,} files, {size(pulled.bytes)}, each checked against its card"
    ]
    lines += [f"  {finding}" for finding in pulled.findings[:SHOWN]]
    if len(pulled.findings) > SHOWN:
        lines.append(f"  and {len(pulled.findings) - SHOWN} more")
    if pulled.planned:
        lines.append(f"snakemake would run {jobs(len(pulled.planned))}:")
        lines += [f"  {job}" for job in pulled.planned]
    else:
        lines.append("snakemake: nothing to be done")
    return "\n".join(lines)
