"""A paper's sentences, decided by the numbers that came out."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import did_you_mean
from pipeline_steps.papers.spec import Claim, Comparison, Side
from pipeline_steps.papers.statistics import (
    SIGNIFICANT,
    Interval,
    Key,
    Outcomes,
    accuracy,
    binomial_test,
    bootstrap,
    differences,
    interval,
    sign_test,
)

COLUMNS = (
    "paper",
    "claim",
    "place",
    "says",
    "ours",
    "verdict",
    "strength",
    "p",
    "detail",
)

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_RUN = "not run"

RELATIONS = {"<": operator.lt, ">": operator.gt}


@dataclass(frozen=True)
class Evidence:
    """All that claims are decided by."""

    outcomes: Mapping[Key, Outcomes]
    manifolds: Mapping[str, Mapping[str, Any]]
    """The metrics of each manifold, by data set and generator."""


@dataclass(frozen=True)
class Finding:
    """One comparison, decided; without `p` where nothing was sampled."""

    holds: bool
    detail: str
    p: float | None = None
    excluded: bool = True
    """Whether the interval leaves out that both sides are equal."""

    @property
    def strong(self) -> bool:
        return self.excluded and (self.p is None or self.p < SIGNIFICANT)


@dataclass(frozen=True)
class Decision:
    """A claim's verdict, how sure it is, and what it rests on."""

    verdict: str
    strength: str = ""
    p: float | None = None
    detail: str = ""


def decide(claim: Claim, evidence: Evidence) -> Decision:
    """Reproduced if every comparison points the stated way.

    A verdict is strong if what it rests on is: all comparisons where the claim holds,
    any one of the contradicting ones where it does not.
    """
    if not claim.holds:
        return Decision(NOT_RUN, detail=claim.not_run or "")
    findings = [compare(c, claim.dataset, evidence) for c in claim.holds]
    against = [finding for finding in findings if not finding.holds]
    strong = (any if against else all)(f.strong for f in against or findings)
    tested = [f.p for f in against or findings if f.p is not None]
    sampled = "strong" if strong else "within noise"
    return Decision(
        verdict=NOT_REPRODUCED if against else REPRODUCED,
        strength=sampled if tested else "no sampling",
        p=(min if against else max)(tested, default=None),
        detail="; ".join(finding.detail for finding in findings),
    )


def compare(comparison: Comparison, dataset: str, evidence: Evidence) -> Finding:
    """One comparison: paired on the same images, against a number, or plain."""
    sides = (comparison.left, comparison.right)
    left, right = (_outcomes(side, dataset, evidence) for side in sides)
    values = [_value(side, dataset, evidence) for side in sides]
    holds = RELATIONS[comparison.relation](*values)
    names = [_name(side, value) for side, value in zip(sides, values, strict=True)]
    said = f"{names[0]} against {names[1]}"
    if left is not None and right is not None:
        each = differences(left, right)
        within, p = bootstrap(each), sign_test(each)
        said += f": difference {values[0] - values[1]:+.2f} {_text(within, '+')}"
        return Finding(holds, said + _seeds(left, right), p, not within.holds(0))
    for one, other in ((left, comparison.right), (right, comparison.left)):
        if one is not None and other.number is not None:
            within, p = interval(one), binomial_test(one, other.number)
            said += f": {_text(within)}"
            return Finding(holds, said + _seeds(one), p, not within.holds(other.number))
    return Finding(holds, said)


def _outcomes(side: Side, dataset: str, evidence: Evidence) -> Outcomes | None:
    if side.defense is None or side.threat is None:
        return None
    key = (dataset, side.defense, side.threat)
    if key not in evidence.outcomes:
        raise PipelineError(
            f"no verdicts of {side.defense} under {side.threat} on {dataset} were given"
        )
    return evidence.outcomes[key]


def _value(side: Side, dataset: str, evidence: Evidence) -> float:
    outcomes = _outcomes(side, dataset, evidence)
    if outcomes is not None:
        return accuracy(outcomes)
    if side.manifold is None or side.metric is None:
        return float(side.number or 0)
    manifold = f"{dataset}/{side.manifold}"
    if manifold not in evidence.manifolds:
        raise PipelineError(f"no card of the manifold {manifold} was given")
    metrics = evidence.manifolds[manifold]
    if side.metric not in metrics:
        hint = did_you_mean(side.metric, metrics)
        raise PipelineError(
            f"the card of the manifold {manifold} has no metric '{side.metric}'{hint}"
        )
    return float(metrics[side.metric])


def _name(side: Side, value: float) -> str:
    if side.defense:
        return f"{side.defense} under {side.threat} {value:.2f} %"
    if side.manifold:
        return f"{side.metric} of {side.manifold} {value:.2g}"
    return f"{value:g}"


def _text(within: Interval, sign: str = "") -> str:
    return f"[{within.low:{sign}.2f}, {within.high:{sign}.2f}]"


def _seeds(*sides: Outcomes) -> str:
    seeds = min(len(side) for side in sides)
    return f", mean over {seeds} seeds" if seeds > 1 else ""


def count(decisions: Sequence[Decision]) -> dict[str, int]:
    """How many claims met which verdict."""
    verdicts = [decision.verdict for decision in decisions]
    return {v: verdicts.count(v) for v in (REPRODUCED, NOT_REPRODUCED, NOT_RUN)}
