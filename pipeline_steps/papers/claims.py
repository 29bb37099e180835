"""A paper's sentences, decided by the numbers that came out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_steps.papers.claim import (
    RELATIONS,
    Claim,
    Comparison,
    Quantity,
    Side,
    near,
)
from pipeline_steps.papers.evidence import Evidence
from pipeline_steps.papers.statistics import (
    SIGNIFICANT,
    Interval,
    Outcomes,
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
    "printed",
)

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
HOLDS = "at this scale: holds"
FAILS = "at this scale: does not hold"
NOT_RUN = "not run"

SHOWN = 6
"""So many comparisons of a claim are told in full."""


SAID = {"<": "against", ">": "against", "within": "to lie within"}


@dataclass(frozen=True)
class Finding:
    """One comparison, decided."""

    holds: bool
    detail: str
    p: float | None = None
    certain: bool | None = None
    """Whether all of the interval, and every seed, says the same; if it was sampled."""

    @property
    def strong(self) -> bool:
        return self.certain is not False and (self.p is None or self.p < SIGNIFICANT)


@dataclass(frozen=True)
class Decision:
    """A claim's verdict, how sure it is, and what it rests on."""

    verdict: str
    strength: str = ""
    p: float | None = None
    detail: str = ""


def verdicts(papers_size: bool) -> tuple[str, str, str]:
    """What a claim may be at this size: only at the papers' own is it reproduced."""
    return (*((REPRODUCED, NOT_REPRODUCED) if papers_size else (HOLDS, FAILS)), NOT_RUN)


def decide(claim: Claim, evidence: Evidence, papers_size: bool = False) -> Decision:
    """It holds if every comparison points the stated way.

    A verdict is strong if what it rests on is: all comparisons where the claim holds,
    any one of the contradicting ones where it does not.
    """
    if not claim.holds:
        return Decision(NOT_RUN, detail=claim.not_run or "")
    used = evidence.stand_ins.get(claim.dataset, claim.dataset)
    findings = [compare(one, used, evidence) for one in claim.comparisons]
    against = [finding for finding in findings if not finding.holds]
    for_it, against_it, _ = verdicts(papers_size)
    strong = (any if against else all)(f.strong for f in against or findings)
    tested = [f.p for f in against or findings if f.p is not None]
    sampled = any(f.certain is not None for f in against or findings)
    certainty = "strong" if strong else "within noise"
    return Decision(
        verdict=against_it if against else for_it,
        strength=certainty if sampled else "no sampling",
        p=(min if against else max)(tested, default=None),
        detail=_told(findings, against),
    )


def compare(comparison: Comparison, dataset: str, evidence: Evidence) -> Finding:
    """One comparison: paired on the same images, against a number, or plain."""
    sides = (comparison.left, comparison.right)
    left, right = (evidence.samples(side, dataset) for side in sides)
    values = [evidence.value(side, dataset) for side in sides]
    relation = RELATIONS[comparison.relation]
    names = [_name(side, value) for side, value in zip(sides, values, strict=True)]
    holds, said = relation(*values), f" {SAID[comparison.relation]} ".join(names)
    within, p = _sampled(comparison, left, right, values)
    if within is None:
        return Finding(holds, said)
    if left is not None and right is not None:
        said += f": difference {values[0] - values[1]:+.2f} {_text(within, '+')}"
    else:
        said += f": {_text(within)}"
    seeds = _by_seed(left, right, values, relation)
    if len(seeds) > 1:
        said += f", mean over {len(seeds)} seeds, of which {seeds.count(holds)} agree"
    certain = _all_of(within, comparison, values) and seeds.count(holds) == len(seeds)
    return Finding(holds, said, p, certain)


def _sampled(
    comparison: Comparison,
    left: Outcomes | None,
    right: Outcomes | None,
    values: Sequence[float],
) -> tuple[Interval | None, float | None]:
    """Where the difference, or what is held against a number, lies; and a test of it."""
    counted = all(map(_counts_images, (comparison.left, comparison.right)))
    if left is not None and right is not None:
        each = differences(left, right)
        return bootstrap(each), sign_test(each) if counted else None
    for one, number in ((left, values[1]), (right, values[0])):
        if one is not None:
            if not counted or comparison.relation == "within":
                return bootstrap(one.mean(axis=0)), None
            return interval(one), binomial_test(one, number)
    return None, None


def _counts_images(side: Side) -> bool:
    """Whether it is a share of images that were right, and so has exact tests."""
    return not (side.less or side.mean_of or side.corruptions or side.size)


def _all_of(within: Interval, comparison: Comparison, values: Sequence[float]) -> bool:
    """Whether the whole interval says what the number in it says."""
    if comparison.relation == "within":
        inside = all(near(end, values[1]) for end in within)
        return inside or within.low > values[1] or within.high < -values[1]
    paired = comparison.left.defense and comparison.right.defense
    number = 0 if paired else values[1] if comparison.left.defense else values[0]
    return not within.holds(number)


def _by_seed(
    left: Outcomes | None,
    right: Outcomes | None,
    values: Sequence[float],
    relation: Callable[[float, float], bool],
) -> list[bool]:
    """Whether the comparison holds for each seed alone, where sides have as many."""
    means = [
        100 * one.mean(axis=1) if one is not None else np.array([value])
        for one, value in zip((left, right), values, strict=True)
    ]
    if left is not None and right is not None and len(left) != len(right):
        means = [np.array([value]) for value in values]
    return [
        relation(float(a), float(b))
        for a, b in zip(*np.broadcast_arrays(*means), strict=True)
    ]


def _told(findings: Sequence[Finding], against: Sequence[Finding]) -> str:
    """All comparisons, or of many how many hold, and those that tell the most."""
    if len(findings) <= SHOWN:
        return "; ".join(finding.detail for finding in findings)
    unsure = [finding for finding in findings if not finding.strong]
    least = max(findings, key=lambda finding: finding.p or 0)
    telling = (against or unsure or [least])[:SHOWN]
    told = "; ".join(finding.detail for finding in telling)
    holding = len(findings) - len(against)
    return f"{holding} of {len(findings)} comparisons hold; {told}"


def _name(side: Side, value: float) -> str:
    if side.defense:
        if side.size:
            return f"{_quantity(side)} {value:.3f}"
        unit = " points" if side.less else " %"
        less = f" less {_quantity(side.less)}" if side.less else ""
        return f"{_quantity(side)}{less} {value:.2f}{unit}"
    if side.manifold:
        return f"{side.metric} of {side.manifold} {value:.2g}"
    return f"{value:g}"


def _quantity(quantity: Quantity) -> str:
    threats = ", ".join(quantity.threats)
    kind = (
        "the worst of "
        if quantity.worst_of
        else "the mean of "
        if quantity.mean_of
        else ""
    )
    home = f" trained on {quantity.trained_on}" if quantity.trained_on else ""
    copies = len(quantity.corruptions)
    corrupted = f", the mean over {copies} corruptions" if copies else ""
    weights = f" by its {quantity.epoch} weights" if quantity.epoch else ""
    size = f"{quantity.size} of edits of " if quantity.size else ""
    return f"{size}{quantity.defense}{home}{weights} under {kind}{threats}{corrupted}"


def _text(within: Interval, sign: str = "") -> str:
    return f"[{within.low:{sign}.2f}, {within.high:{sign}.2f}]"


def count(told: Sequence[str], papers_size: bool) -> dict[str, int]:
    """How many claims met which verdict."""
    return {verdict: told.count(verdict) for verdict in verdicts(papers_size)}
