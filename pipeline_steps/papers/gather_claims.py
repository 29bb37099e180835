"""Gathers the decided claims of all papers, as one tidy file and as a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.claim import AllClaimsSpec
from pipeline_steps.papers.forms.tidy import write_claims
from pipeline_steps.papers.report.claims import claim_groups
from pipeline_steps.papers.report.render import render
from pipeline_steps.papers.results import (
    ENOUGH_TRAININGS,
    DecidedClaim,
    DecidedClaims,
    read_results,
    write_results,
)

TEMPLATES = ("report/templates/claims.html.j2",)


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


def as_page(spec: AllClaimsSpec, papers: Mapping[str, Sequence[DecidedClaim]]) -> str:
    """All claims as a page, paper by paper."""
    groups = {
        paper: claim_groups(claims, spec.names, spec.left_out)
        for paper, claims in papers.items()
    }
    datasets = ", ".join(map(spec.names.dataset, spec.datasets))
    return render(
        "claims.html.j2",
        title="What the papers say, and what came out",
        scale=f"Scale {spec.scale}, on {datasets or 'no data set'}",
        spec=spec,
        papers=groups,
        enough=ENOUGH_TRAININGS,
    )


if __name__ == "__main__":
    run("papers.gather_claims", AllClaimsSpec, main)
