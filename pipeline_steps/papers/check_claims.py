"""Checks a paper's claims against the measured numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.claim import Claim, ClaimsSpec
from pipeline_steps.papers.claims import Decision, decide
from pipeline_steps.papers.evidence import Evidence, read_curves
from pipeline_steps.papers.forms.tidy import write_claims
from pipeline_steps.papers.results import (
    DecidedClaim,
    DecidedClaims,
    Outcome,
    write_results,
)
from pipeline_steps.papers.statistics import Key, Outcomes, read_outcomes

PRINTED = {True: Outcome.HOLDS, False: Outcome.FAILS, None: None}


def main(job: Job[ClaimsSpec]) -> dict[str, Any]:
    """Every claim of the paper, decided."""
    spec = job.spec
    numbers = evidence(job)
    claims = [decided(spec, claim, decide(claim, numbers)) for claim in spec.claims]
    write_claims(claims, job.output("csv"))
    results = DecidedClaims(claims=claims)
    write_results(job.output("json"), results)
    return results.by_outcome


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
        spec.stand_ins,
    )


def _sizes(spec: ClaimsSpec, files: Sequence[Path]) -> dict[tuple[str, Key], Outcomes]:
    """How far images were moved, for the claims about it."""
    wanted = {
        (str(quantity.size), quantity.behind(spec.used(claim), spec.stand_ins)[0])
        for claim in spec.claims
        for quantity in claim.quantities
        if quantity.size
    }
    sizes = {}
    for size, key in sorted(wanted):
        runs, paths = zip(
            *(
                (run, path)
                for run, path in zip(spec.runs, files, strict=True)
                if run.key == key
            ),
            strict=True,
        )
        moved = read_outcomes(runs, paths, size)[key]
        sizes[size, key] = moved.astype(float) / 100
    return sizes


def decided(spec: ClaimsSpec, claim: Claim, decision: Decision) -> DecidedClaim:
    """A claim with its outcome."""
    return DecidedClaim(
        paper=spec.paper,
        claim=claim.name,
        place=claim.place,
        says=claim.says,
        ours=claim.ours,
        outcome=decision.outcome,
        trainings=decision.trainings,
        papers_size=spec.papers_size,
        p=decision.p,
        findings=decision.findings,
        not_run=None if claim.holds else claim.not_run,
        printed=PRINTED[spec.printed.get(claim.name)],
    )


if __name__ == "__main__":
    run("papers.check_claims", ClaimsSpec, main)
