"""Gathers the decided claims of all papers, as one tidy file and as a page."""

from typing import Any

from pipeline_steps.core.lines import read_lines, write_lines
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.claim import AllClaimsSpec
from pipeline_steps.papers.claims import (
    COLUMNS,
    FAILS,
    HOLDS,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    count,
)
from pipeline_steps.papers.style import escape, html_table, page, paper_name

LOOKS = {
    REPRODUCED: ("good", "✓"),
    HOLDS: ("good", "✓"),
    NOT_REPRODUCED: ("red-flag", "✗"),
    FAILS: ("red-flag", "✗"),
    NOT_RUN: ("not-run", "–"),
}

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


def main(job: Job[AllClaimsSpec]) -> dict[str, Any]:
    """The claims of all papers, in the papers' order."""
    files = job.all_verified("claims", "csv")
    claims = [read_lines(path) for path in files]
    whole = [claim for some in claims for claim in some]
    write_lines(job.output("csv"), COLUMNS, whole)
    told = as_page(job.spec, dict(zip(job.spec.papers, claims, strict=True)))
    job.output("html").write_text(told, encoding="utf-8")
    return count([claim["verdict"] for claim in whole], job.spec.papers_size)


def as_page(spec: AllClaimsSpec, papers: dict[str, list[dict[str, str]]]) -> str:
    """All claims as a page, paper by paper."""
    told = (
        f"Decided at scale {spec.scale}, which is smaller than the papers': a verdict "
        "says what happened here, not whether the paper reproduces."
    )
    parts = [] if spec.papers_size else [f'<p class="warning">{escape(told)}</p>']
    for paper, claims in papers.items():
        holds, fails, rest = count(
            [claim["verdict"] for claim in claims], spec.papers_size
        ).values()
        said = (
            f"{holds} reproduced, {fails} not reproduced, {rest} not run"
            if spec.papers_size
            else f"at this scale {holds} hold, {fails} do not hold, {rest} not run"
        )
        parts.append(f"<h2>{escape(paper_name(paper))}: {said}</h2>")
        rows = [_row(claim) for claim in claims]
        parts.append(html_table(("Claim", "Verdict", "What it rests on"), rows))
    parts.append(f'<p class="notes">{escape(LEGEND)}</p>')
    return page(
        "What the papers say, and what came out",
        f"Scale {spec.scale}, on {', '.join(spec.datasets) or 'no data set'}",
        "\n".join(parts),
    )


def _row(claim: dict[str, str]) -> list[str]:
    look_of, sign = LOOKS[claim["verdict"]]
    origin = "our own check" if claim["ours"] == "true" else "the paper's"
    where = escape(f"{claim['claim']} · {origin}, {claim['place']}")
    if claim["printed"]:
        where += f"<br>By the numbers that the paper prints it {claim['printed']}."
    sure = claim["strength"] + (f", p = {claim['p']}" if claim["p"] else "")
    told = claim["verdict"].replace(NOT_RUN, NOT_RUN.replace(" ", "&nbsp;"))
    return [
        f'{escape(claim["says"])}<br><span class="small">{where}</span>',
        f'<span class="{look_of}">{sign}&nbsp;{told}</span><br>'
        f'<span class="small">{escape(sure)}</span>',
        f'<span class="small">{escape(claim["detail"])}</span>',
    ]


if __name__ == "__main__":
    run("papers.gather_claims", AllClaimsSpec, main)
