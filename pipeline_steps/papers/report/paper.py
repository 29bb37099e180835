"""A paper's page: its tables, its figures, its claims, and what was not made."""

import base64
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers import wording
from pipeline_steps.papers.report import cells, parts
from pipeline_steps.papers.report.contents import Contents, Figure
from pipeline_steps.papers.report.origins import facts_of, why
from pipeline_steps.papers.report.parts import code, link, short, tag
from pipeline_steps.papers.results import DecidedClaim
from pipeline_steps.papers.spec import Printed, PrintedPaper
from pipeline_steps.papers.style import LOOK, escape, paper_name, scale_line

# Pixels of the screen for one of a picture's: as large as in print.
SHOWN = 96 / LOOK["savefig.dpi"]


def page(contents: Contents, paper: PrintedPaper) -> str:
    """Everything of one paper, with a list of it at the top."""
    name = paper.paper
    shown = [
        *(cells.table(contents, made) for made in contents.tables),
        *(figure(made) for made in contents.figures),
        claims(name, contents.claims),
        *_not_made(paper),
    ]
    return tag(
        "section",
        tag("h2", f"{paper_name(name)}: {escape(paper.title)}", id=f"{name}/title"),
        tag("p", escape(paper.authors), class_="soft"),
        tag("nav", _list(contents, name), aria_label=f"On the page of {name.upper()}"),
        "\n".join(shown),
        id=name,
        class_="page",
        aria_labelledby=f"{name}/title",
    )


def _list(contents: Contents, paper: str) -> str:
    tables = [(made.anchor, made.spec.title) for made in contents.tables]
    figures = [(made.anchor, made.spec.title) for made in contents.figures]
    links = [link(anchor, short(title)) for anchor, title in tables + figures]
    return parts.items([*links, link(claims_of(paper), "Claims")])


def figure(made: Figure) -> str:
    """A figure with its caption; the picture stands in the page itself."""
    spec, bytes_ = made.spec, made.png.read_bytes()
    width, height = (round(pixels * SHOWN) for pixels in size_of(bytes_, made.png))
    panels = ", ".join(dict.fromkeys(panel.label for panel in spec.panels))
    kind = str(spec.figure["figure"]).replace("_", " ")
    image = base64.b64encode(bytes_).decode()
    box = f"{made.anchor}/box"
    return tag(
        "section",
        tag("h3", escape(spec.title), id=made.anchor),
        tag(
            "figure",
            f'<img src="data:image/png;base64,{image}" width="{width}" '
            f'height="{height}" loading="lazy" '
            f'alt="{escape(f"{spec.title}. A picture of {kind}: {panels}.")}">',
            tag(
                "figcaption",
                f"{escape(spec.title)}. {escape(scale_line(spec))}. ",
                f"Shown: {escape(panels)}. ",
                parts.opener(box, "Where does it come from?", f" ({spec.title})"),
            ),
        ),
        parts.box(box, spec.title, _origin(made)),
        aria_labelledby=made.anchor,
    )


def _origin(made: Figure) -> str:
    panels = zip(made.spec.panels, made.result.behind("panels"), strict=True)
    shown = [f"{escape(p.label)}: {p.what} of {code(str(card))}" for p, card in panels]
    lines = [("Panels", parts.items(shown)), ("The whole chain", why(made.png))]
    return parts.facts([*lines, *facts_of(made.result)])


def size_of(png: bytes, path: Path) -> tuple[int, int]:
    """Width and height, told by the header, so that text does not jump as it loads."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise PipelineError(f"{path} is no picture; delete it and build it again")
    return struct.unpack(">II", png[16:24])


def claims_of(paper: str) -> str:
    return f"{paper}/claims"


def claim_at(claim: DecidedClaim) -> str:
    return f"{claims_of(claim.paper)}/{claim.claim}"


def sign(claim: DecidedClaim) -> str:
    """A verdict, with a sign and a colour to it."""
    words = escape(wording.verdict(claim.verdict))
    shown = f"{wording.SIGNS[claim.outcome]} {words}"
    return tag("span", shown, class_=claim.outcome.value)


def tested(claim: DecidedClaim) -> str:
    return "" if claim.p is None else f"p = {claim.p:.2g}"


def claims(paper: str, lines: Sequence[DecidedClaim]) -> str:
    """What the paper says, and what came out."""
    anchor = claims_of(paper)
    rows = [
        [
            parts.row_head(escape(claim.says) + _whose(claim), claim_at(claim)),
            sign(claim),
            escape(tested(claim)),
            escape(wording.detail(claim)),
        ]
        for claim in lines
    ]
    heads = [*map(parts.head, ("Claim", "Verdict", "Test", "What it rests on"))]
    caption = (
        f"{len(lines)} claims of {paper_name(paper)}, decided by the numbers here."
    )
    return tag("h3", "Claims", id=anchor) + (
        parts.table(anchor, caption, heads, rows) if rows else tag("p", "None yet.")
    )


def _whose(claim: DecidedClaim) -> str:
    text = "our own check" if claim.ours else "the paper's"
    text += f", {claim.place}"
    if claim.printed:
        text += f"; by the paper's own numbers it {wording.OUTCOMES[claim.printed]}"
    return "<br>" + tag("span", escape(text), class_="small")


def _not_made(paper: PrintedPaper) -> Iterator[str]:
    """What another scale makes, or this one if it is asked by name."""
    missing = [
        printed for printed in [*paper.tables, *paper.figures] if not printed.made
    ]
    if missing:
        yield tag("h3", "Not made at this scale", id=f"{paper.paper}/not-made")
        yield parts.items(_how_to_make(paper.paper, printed) for printed in missing)


def _how_to_make(paper: str, printed: Printed) -> str:
    numbers = f", {printed.numbers} numbers" if printed.numbers else ""
    only = (
        f", {printed.published_only} of them published only"
        if printed.published_only
        else ""
    )
    target = code(f"snakemake {paper}_{printed.name}")
    return f"{escape(printed.title)}{numbers}{only}: {target}"
