"""Checks what the papers say against what came out, claim by claim."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.claim import Claim, ClaimsSpec, PaperClaims
from pipeline_steps.papers.claims import (
    COLUMNS,
    FAILS,
    HOLDS,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    Decision,
    count,
    decide,
)
from pipeline_steps.papers.evidence import Evidence, read_curves
from pipeline_steps.papers.statistics import Key, Outcomes, read_outcomes
from pipeline_steps.papers.style import escape, html_table, page, paper_name

Decided = list[tuple[PaperClaims, list[tuple[Claim, Decision]]]]

LOOKS = {
    REPRODUCED: ("good", "✓"),
    HOLDS: ("good", "✓"),
    NOT_REPRODUCED: ("red-flag", "✗"),
    FAILS: ("red-flag", "✗"),
    NOT_RUN: ("not-run", "–"),
}

PRINTED = {True: "holds", False: "does not hold", None: ""}

LEGEND = (
    "A claim holds if each of its comparisons points the way it says; only at the papers' "
    "size does it count as reproduced or not. Two accuracies are compared on the same "
    "images, by a bootstrap of their difference and McNemar's exact test; an accuracy and "
    "a number by an exact binomial test; gains, means over threats and sizes of edits by "
    "their intervals alone; errors of a manifold are plain numbers. Strong: the interval "
    "leaves the contrary out, every seed agrees, and p is below 0.05, not corrected for the "
    "number of claims. All this is about the test images; what another training would give "
    "is known from several seeds only. The best of a training's weights is chosen on the "
    "images that it is judged by, which flatters it."
)


def main(job: Job[ClaimsSpec]) -> dict[str, Any]:
    """Every claim of every paper, decided."""
    spec = job.spec
    found = evidence(job)
    decided: Decided = [
        (
            paper,
            [
                (claim, decide(claim, found, spec.papers_size, used))
                for claim in paper.claims
                for used in [spec.stand_ins.get(claim.dataset, claim.dataset)]
            ],
        )
        for paper in spec.papers
    ]
    lines = [
        record(paper, claim, decision)
        for paper, claims in decided
        for claim, decision in claims
    ]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    table.to_csv(job.output("csv"), index=False, lineterminator="\n")
    job.output("html").write_text(as_page(spec, decided), encoding="utf-8")
    every = [decision for _, claims in decided for _, decision in claims]
    return count(every, spec.papers_size)


def evidence(job: Job[ClaimsSpec]) -> Evidence:
    """What the job's files hold, each checked against its card."""
    spec = job.spec
    files = job.all_verified("verdicts", "verdicts")
    cards = zip(spec.manifolds, job.inputs["manifolds"], strict=True)
    return Evidence(
        read_outcomes(spec.runs, files),
        _sizes(spec, files),
        read_curves(spec.curves, job.all_verified("curves", "curve")),
        {name: read_card(card).metrics for name, card in cards},
    )


def _sizes(spec: ClaimsSpec, files: Sequence[Path]) -> dict[tuple[str, Key], Outcomes]:
    """How far images were moved, wherever a claim asks for it."""
    asked = {
        (str(one.size), (used, str(one.defense), str(one.threat)))
        for paper in spec.papers
        for claim in paper.claims
        for used in [spec.stand_ins.get(claim.dataset, claim.dataset)]
        for comparison in claim.comparisons
        for one in comparison.quantities
        if one.size
    }
    found = {}
    for size, key in sorted(asked):
        own = [
            (run, path)
            for run, path in zip(spec.runs, files, strict=True)
            if (run.dataset, run.defense, run.threat) == key
        ]
        runs, paths = zip(*own, strict=True)
        moved = read_outcomes(runs, paths, size)[key]
        found[size, key] = moved.astype(float) / 100
    return found


def record(paper: PaperClaims, claim: Claim, decision: Decision) -> Mapping[str, Any]:
    """A claim as one line of the tidy file."""
    return {
        "paper": paper.paper,
        "claim": claim.name,
        "place": claim.place,
        "says": claim.says,
        "ours": str(claim.ours).lower(),
        "verdict": decision.verdict,
        "strength": decision.strength,
        "p": "" if decision.p is None else f"{decision.p:.3g}",
        "detail": decision.detail,
        "printed": PRINTED[paper.printed.get(claim.name)],
    }


def as_page(spec: ClaimsSpec, decided: Decided) -> str:
    """All claims as a page, paper by paper."""
    told = (
        f"Decided at scale {spec.scale}, which is smaller than the papers': a verdict "
        "says what happened here, not whether the paper reproduces."
    )
    parts = [] if spec.papers_size else [f'<p class="warning">{escape(told)}</p>']
    for paper, claims in decided:
        counts = count([decision for _, decision in claims], spec.papers_size)
        said = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
        parts.append(f"<h2>{escape(paper_name(paper.paper))}: {said}</h2>")
        rows = [_row(paper, claim, decision) for claim, decision in claims]
        parts.append(html_table(("Claim", "Verdict", "What it rests on"), rows))
    parts.append(f'<p class="notes">{escape(LEGEND)}</p>')
    named: dict[str, None] = dict.fromkeys(
        spec.stand_ins.get(c.dataset, c.dataset)
        for paper, claims in decided
        for c, decision in claims
        if decision.verdict != NOT_RUN
    )
    return page(
        "What the papers say, and what came out",
        f"Scale {spec.scale}, on {', '.join(sorted(named)) or 'no data set'}",
        "\n".join(parts),
    )


def _row(paper: PaperClaims, claim: Claim, decision: Decision) -> list[str]:
    look_of, sign = LOOKS[decision.verdict]
    origin = "our own check" if claim.ours else "the paper's"
    where = escape(f"{claim.name} · {origin}, {claim.place}")
    if printed := PRINTED[paper.printed.get(claim.name)]:
        where += f"<br>By the paper's own numbers it {printed}."
    sure = decision.strength
    if decision.p is not None:
        sure += f", p = {decision.p:.2g}"
    return [
        f'{escape(claim.says)}<br><span class="small">{where}</span>',
        f'<span class="{look_of}">{sign}&nbsp;{decision.verdict}</span><br>'
        f'<span class="small">{escape(sure)}</span>',
        f'<span class="small">{escape(decision.detail)}</span>',
    ]


if __name__ == "__main__":
    run("papers.check_claims", ClaimsSpec, main)
