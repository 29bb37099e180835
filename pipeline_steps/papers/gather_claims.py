"""Gathers the decided claims of all papers, as one tidy file and as a page."""

from typing import Any

from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.claim import AllClaimsSpec
from pipeline_steps.papers.forms.tidy import write_claims
from pipeline_steps.papers.results import (
    ENOUGH_TRAININGS,
    DecidedClaim,
    DecidedClaims,
    Outcome,
    by_verdict,
    read_results,
    write_results,
)
from pipeline_steps.papers.style import escape, html_table, page, paper_name
from pipeline_steps.papers.wording import OUTCOMES, SIGNS, detail, verdict

LEGEND = (
    "A claim holds if each of its comparisons holds, and does not hold if one of them "
    "does not; where the 95 % interval contains both answers it is inconclusive. Two "
    "accuracies are compared on the same images: the interval is a bootstrap of their "
    "difference, and McNemar's exact test must agree (p below 0.05). An accuracy and a "
    "number are compared by an exact binomial test; gains, means over threats and sizes of "
    "edits by their intervals alone; errors of a manifold are plain numbers. Neither level "
    "is corrected for the number of comparisons or of claims. From several seeds, the "
    "interval takes in the spread between the trainings too (Student's t, paired by seed). "
    "From one, it is about the test images alone, and what another training would give is "
    "not known: one training only. A claim is reproduced, or not reproduced, at the papers' "
    f"size and from {ENOUGH_TRAININGS} trainings or more. The best of a training's weights is "
    "chosen on one half of the images and judged by the other."
)


def main(job: Job[AllClaimsSpec]) -> dict[str, Any]:
    """The claims of all papers, in the papers' order."""
    files = job.all_verified("claims", "json")
    claims = [read_results(path, DecidedClaims).claims for path in files]
    papers = dict(zip(job.spec.papers, claims, strict=True))
    results = DecidedClaims(claims=[claim for paper in claims for claim in paper])
    write_claims(results.claims, job.output("csv"))
    write_results(job.output("json"), results)
    job.output("html").write_text(as_page(job.spec, papers), encoding="utf-8")
    return results.by_outcome


def as_page(spec: AllClaimsSpec, papers: dict[str, list[DecidedClaim]]) -> str:
    """All claims as a page, paper by paper."""
    caution = (
        f"Decided at scale {spec.scale}, which is smaller than the papers': a verdict "
        "says what happened here, not whether the paper reproduces."
    )
    parts = [] if spec.papers_size else [f'<p class="warning">{escape(caution)}</p>']
    for paper, claims in papers.items():
        groups = by_verdict(claims).items()
        counts = (f"{len(some)} {verdict(reached)}" for reached, some in groups)
        heading = f"{paper_name(paper)}: {'; '.join(counts)}"
        parts.append(f"<h2>{escape(heading)}</h2>")
        rows = map(_row, claims)
        parts.append(html_table(("Claim", "Verdict", "What it rests on"), rows))
    parts.append(f'<p class="notes">{escape(LEGEND)}</p>')
    return page(
        "What the papers say, and what came out",
        f"Scale {spec.scale}, on {', '.join(spec.datasets) or 'no data set'}",
        "\n".join(parts),
    )


def _row(claim: DecidedClaim) -> list[str]:
    origin = "our own check" if claim.ours else "the paper's"
    where = escape(f"{claim.claim} · {origin}, {claim.place}")
    if claim.printed:
        where += (
            f"<br>By the numbers that the paper prints it {OUTCOMES[claim.printed]}."
        )
    sure = "" if claim.p is None else f"p = {claim.p:.3g}"
    words = escape(verdict(claim.verdict))
    if claim.outcome is Outcome.NOT_RUN:
        words = words.replace(" ", "&nbsp;")
    return [
        f'{escape(claim.says)}<br><span class="small">{where}</span>',
        f'<span class="{claim.outcome}">{SIGNS[claim.outcome]}&nbsp;{words}</span><br>'
        f'<span class="small">{escape(sure)}</span>',
        f'<span class="small">{escape(detail(claim))}</span>',
    ]


if __name__ == "__main__":
    run("papers.gather_claims", AllClaimsSpec, main)
