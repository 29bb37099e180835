"""Pull published results, check each file against its card, and say what is left to do.

python -m pipeline_steps.release.pull [--scale demo] [--paper P] [--defense D] [PATH …]
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.core.card import Card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, did_you_mean
from pipeline_steps.release.checkout import Checkout, is_large, size
from pipeline_steps.release.verify import (
    Finding,
    damaged,
    without_card,
    without_record,
)

SHOWN = 20


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
    cards = checkout.cards(scale)
    pointers = [str(pointer) for pointer in checkout.pointers(scale)]
    if not cards or not pointers:
        raise PipelineError(
            f"nothing of scale {scale} was published in this commit; run snakemake, or "
            "check out a commit that `make publish` made"
        )
    whole = not (paper or defense or paths)
    wanted = cards if whole else chosen(checkout, cards, scale, paper, defense, paths)
    files = [f for p, c in wanted.items() for f in c.files(p).values() if is_large(f)]
    targets = pointers if whole else [str(file) for file in files]
    if targets:
        checkout.dvc("pull", *targets)
    findings = damaged(checkout, wanted)
    if findings:
        findings = mend(checkout, wanted, findings)
    if whole:
        findings += [
            *without_card(checkout, scale),
            *without_record(checkout, cards),
        ]
    return Pulled(
        files=len(files),
        bytes=sum(
            (checkout.root / f).stat().st_size for f in files if _is(checkout, f)
        ),
        findings=findings,
        planned=checkout.planned(scale),
    )


def chosen(
    checkout: Checkout,
    cards: dict[Path, Card],
    scale: str,
    paper: str | None,
    defense: str | None,
    paths: Sequence[Path],
) -> dict[Path, Card]:
    """The cards of a part: a paper with all behind it, a defense, or single paths."""
    folder = Path("results") / scale / "cards"
    found: set[Path] = set()
    if paper:
        pages = [path for path in cards if path.parent == folder / "papers" / paper]
        papers = {p.parent.name for p in cards if p.parent.parent == folder / "papers"}
        _refuse_nothing(pages, "paper", paper, papers)
        found |= checkout.chain(cards, pages)
    if defense:
        trained = [p for p in cards if p.parent.parent == folder / "defenses"]
        of_it = [path for path in trained if path.stem == defense]
        _refuse_nothing(of_it, "defense", defense, {path.stem for path in trained})
        found |= set(of_it)
    for wanted in paths:
        holding = [
            path
            for path, card in cards.items()
            for file in [path, *card.files(path).values()]
            if file == wanted or wanted in file.parents
        ]
        _refuse_nothing(holding, "published path", str(wanted), set())
        found |= set(holding)
    return {path: cards[path] for path in sorted(found)}


def _refuse_nothing(
    found: Sequence[Path], kind: str, name: str, known: set[str]
) -> None:
    if not found:
        raise PipelineError(f"there is no {kind} '{name}'{did_you_mean(name, known)}")


def mend(
    checkout: Checkout, cards: dict[Path, Card], findings: list[Finding]
) -> list[Finding]:
    """Throws away damaged bytes, in the cache too, and pulls them once more."""
    large = [finding.file for finding in findings if is_large(finding.file)]
    for file in large:
        place = checkout.root / file
        target = place.resolve()
        if (checkout.root / ".dvc").resolve() in target.parents:
            target.unlink(missing_ok=True)
        place.unlink(missing_ok=True)
    if large:
        checkout.dvc("pull", *map(str, large))
    return damaged(checkout, cards)


def _is(checkout: Checkout, file: Path) -> bool:
    return (checkout.root / file).is_file()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--paper", help="one paper, with all that stands behind it")
    parser.add_argument("--defense", help="the checkpoints of one defense")
    parser.add_argument("paths", nargs="*", type=Path, help="single files or folders")
    told = parser.parse_args()
    try:
        pulled = pull(Path.cwd(), told.scale, told.paper, told.defense, told.paths)
    except PipelineError as error:
        sys.exit(f"error: {error}")
    print(
        f"{pulled.files:,} files, {size(pulled.bytes)}, each checked against its card"
    )
    for finding in pulled.findings[:SHOWN]:
        print(f"  {finding}")
    if len(pulled.findings) > SHOWN:
        print(f"  and {len(pulled.findings) - SHOWN} more")
    if pulled.planned:
        print(f"snakemake would run {len(pulled.planned)} jobs:")
        for job in pulled.planned:
            print(f"  {job}")
    else:
        print("snakemake: nothing to be done")
    if pulled.findings:
        sys.exit(
            f"error: {len(pulled.findings)} results are not as they were published"
        )


if __name__ == "__main__":
    main()
