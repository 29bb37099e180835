"""Checks what a paper says against what came out, claim by claim."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.claim import Claim, ClaimsSpec
from pipeline_steps.papers.claims import Decision, decide
from pipeline_steps.papers.decided import DecidedClaim, by_outcome, write_claims
from pipeline_steps.papers.evidence import Evidence, read_curves
from pipeline_steps.papers.outcome import Outcome
from pipeline_steps.papers.statistics import Key, Outcomes, read_outcomes

PRINTED = {True: Outcome.HOLDS, False: Outcome.FAILS, None: None}


def main(job: Job[ClaimsSpec]) -> dict[str, Any]:
    """Every claim of the paper, decided."""
    spec = job.spec
    found = evidence(job)
    decided = [record(spec, claim, decide(claim, found)) for claim in spec.claims]
    write_claims(decided, job.output("csv"))
    return by_outcome(decided)


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
    """How far images were moved, wherever a claim asks for it."""
    asked = {
        (str(one.size), one.behind(spec.used(claim), spec.stand_ins)[0])
        for claim in spec.claims
        for one in claim.quantities
        if one.size
    }
    found = {}
    for size, key in sorted(asked):
        runs, paths = zip(
            *(
                (run, path)
                for run, path in zip(spec.runs, files, strict=True)
                if run.key == key
            ),
            strict=True,
        )
        moved = read_outcomes(runs, paths, size)[key]
        found[size, key] = moved.astype(float) / 100
    return found


def record(spec: ClaimsSpec, claim: Claim, decision: Decision) -> DecidedClaim:
    """A claim as one line of the tidy file."""
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
        detail=decision.detail,
        printed=PRINTED[spec.printed.get(claim.name)],
    )


if __name__ == "__main__":
    run("papers.check_claims", ClaimsSpec, main)
