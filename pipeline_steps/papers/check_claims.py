"""Checks what the papers say against what came out, claim by claim."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.claims import (
    COLUMNS,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    Decision,
    Evidence,
    count,
    decide,
)
from pipeline_steps.papers.spec import Claim, ClaimsSpec, PaperClaims
from pipeline_steps.papers.statistics import read_outcomes
from pipeline_steps.papers.style import escape, html_table, page, paper_name

Decided = list[tuple[PaperClaims, list[tuple[Claim, Decision]]]]

LOOKS = {
    REPRODUCED: ("good", "✓"),
    NOT_REPRODUCED: ("red-flag", "✗"),
    NOT_RUN: ("not-run", "–"),
}

LEGEND = (
    "A claim is reproduced if each of its comparisons points the way it says. Two "
    "accuracies are compared on the same images, by a bootstrap of their difference "
    "and McNemar's exact test; an accuracy and a number by an exact binomial test; "
    "errors of a manifold are plain numbers. Strong: the interval leaves equality out "
    "and p is below 0.05, not corrected for the number of claims. All this is about "
    "the test images; what another training would give is known from several seeds "
    "only."
)


def main(job: Job[ClaimsSpec]) -> dict[str, Any]:
    """Every claim of every paper, decided."""
    spec = job.spec
    cards = zip(spec.manifolds, job.inputs["manifolds"], strict=True)
    evidence = Evidence(
        read_outcomes(spec.runs, job.all_verified("verdicts", "verdicts")),
        {name: read_card(card).metrics for name, card in cards},
    )
    decided: Decided = [
        (paper, [(claim, decide(claim, evidence)) for claim in paper.claims])
        for paper in spec.papers
    ]
    lines = [
        record(paper.paper, claim, decision)
        for paper, claims in decided
        for claim, decision in claims
    ]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    table.to_csv(job.output("csv"), index=False, lineterminator="\n")
    job.output("html").write_text(as_page(spec, decided), encoding="utf-8")
    return count([decision for _, claims in decided for _, decision in claims])


def record(paper: str, claim: Claim, decision: Decision) -> Mapping[str, Any]:
    """A claim as one line of the tidy file."""
    return {
        "paper": paper,
        "claim": claim.name,
        "place": claim.place,
        "says": claim.says,
        "ours": str(claim.ours).lower(),
        "verdict": decision.verdict,
        "strength": decision.strength,
        "p": "" if decision.p is None else f"{decision.p:.3g}",
        "detail": decision.detail,
    }


def as_page(spec: ClaimsSpec, decided: Decided) -> str:
    """All claims as a page, paper by paper."""
    told = (
        f"Decided at scale {spec.scale}, which is smaller than the papers': a verdict "
        "says what happened here, not whether the paper reproduces."
    )
    parts = [] if spec.scale == "paper" else [f'<p class="warning">{escape(told)}</p>']
    for paper, claims in decided:
        counts = count([decision for _, decision in claims])
        said = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
        parts.append(f"<h2>{escape(paper_name(paper.paper))}: {said}</h2>")
        rows = [_row(claim, decision) for claim, decision in claims]
        parts.append(html_table(("Claim", "Verdict", "What it rests on"), rows))
    parts.append(f'<p class="notes">{escape(LEGEND)}</p>')
    datasets = sorted({c.dataset for paper, _ in decided for c in paper.claims})
    return page(
        "What the papers say, and what came out",
        f"Scale {spec.scale}, on {', '.join(datasets) or 'no data set'}",
        "\n".join(parts),
    )


def _row(claim: Claim, decision: Decision) -> list[str]:
    look_of, sign = LOOKS[decision.verdict]
    origin = "our own check" if claim.ours else "the paper's"
    where = escape(f"{claim.name} · {origin}, {claim.place}")
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
