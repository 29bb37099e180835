"""Claims as their templates see them: by verdict, what was decided before what was not run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline_steps.papers import wording
from pipeline_steps.papers.claim import LeftOut
from pipeline_steps.papers.names import Names
from pipeline_steps.papers.results import DecidedClaim, Outcome, Verdict, by_verdict


@dataclass(frozen=True)
class ClaimView:
    """A claim, with its evidence in words."""

    claim: DecidedClaim
    comparisons: list[str]
    """The comparisons to show: all if there are few, otherwise those that decide."""
    lacks: str
    """The results that it needs and the scale leaves out."""

    @property
    def anchor(self) -> str:
        return f"{self.claim.paper}/claims/{self.claim.claim}"

    @property
    def sign(self) -> str:
        return wording.SIGNS[self.claim.outcome]


@dataclass(frozen=True)
class ClaimGroup:
    """The claims of one verdict."""

    verdict: Verdict
    claims: list[ClaimView]

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome

    @property
    def words(self) -> str:
        return wording.verdict(self.verdict)

    @property
    def sign(self) -> str:
        return wording.SIGNS[self.outcome]


def claim_groups(
    claims: Sequence[DecidedClaim], names: Names, left_out: Mapping[str, LeftOut]
) -> list[ClaimGroup]:
    """Claims by verdict; those that were not run come last."""
    return [
        ClaimGroup(verdict, [_view(claim, names, left_out) for claim in some])
        for verdict, some in by_verdict(claims).items()
    ]


def _view(
    claim: DecidedClaim, names: Names, left_out: Mapping[str, LeftOut]
) -> ClaimView:
    lacking = left_out.get(claim.claim)
    told = wording.telling(claim.outcome, claim.findings)
    return ClaimView(
        claim,
        [wording.finding(each, names, decimals_shown=None) for each in told],
        wording.lacks(lacking, names) if lacking else "",
    )
