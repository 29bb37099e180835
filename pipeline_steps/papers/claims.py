"""A paper's sentences, decided by the numbers that came out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline_steps.papers.claim import (
    RELATIONS,
    Claim,
    Comparison,
    Quantity,
    Relation,
    Side,
    near,
)
from pipeline_steps.papers.evidence import Evidence
from pipeline_steps.papers.outcome import Outcome
from pipeline_steps.papers.statistics import (
    SIGNIFICANT,
    Interval,
    Outcomes,
    binomial_test,
    bootstrap,
    interval,
    sign_test,
    with_trainings,
)

SHOWN = 6
"""So many comparisons of a claim are told in full."""


SAID = {"<": "against", ">": "against", "within": "to lie within"}
TURNED: dict[Relation, Relation] = {"<": ">", ">": "<"}


@dataclass(frozen=True)
class Finding:
    """One comparison, decided."""

    outcome: Outcome
    detail: str
    p: float | None = None
    trainings: int = 1


@dataclass(frozen=True)
class Decision:
    """A claim's outcome, and what it rests on."""

    outcome: Outcome
    trainings: int | None = None
    """The fewest behind a comparison that decides it."""
    p: float | None = None
    detail: str = ""


def decide(claim: Claim, evidence: Evidence) -> Decision:
    """It holds if every comparison does, and fails if any one does.

    Each comparison is taken by itself: the level is not corrected for their number.
    """
    if not claim.holds:
        return Decision(Outcome.NOT_RUN, detail=claim.not_run or "")
    used = evidence.stand_ins.get(claim.dataset, claim.dataset)
    findings = [compare(one, used, evidence) for one in claim.comparisons]
    outcome = together(finding.outcome for finding in findings)
    deciding = [finding for finding in findings if finding.outcome is outcome]
    fails = outcome is Outcome.FAILS
    tested = [finding.p for finding in deciding if finding.p is not None]
    return Decision(
        outcome=outcome,
        trainings=(max if fails else min)(f.trainings for f in deciding),
        p=(min if fails else max)(tested, default=None),
        detail=_told(findings, deciding),
    )


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of what must all hold."""
    met = {*outcomes}
    order = (Outcome.FAILS, Outcome.INCONCLUSIVE)
    return next((one for one in order if one in met), Outcome.HOLDS)


@dataclass(frozen=True)
class Sampled:
    """What is held against a number, training by training and image by image."""

    values: Outcomes
    relation: Relation
    number: float
    paired: bool
    """Whether it is the difference of two accuracies on the same images."""
    counted: bool
    """Whether images count as right or wrong, so that there are exact tests."""

    @property
    def over_images(self) -> Interval:
        if self.paired or not self.counted:
            return bootstrap(self.values.mean(axis=0))
        return interval(self.values)

    @property
    def p(self) -> float | None:
        if not self.counted or self.relation == "within":
            return None
        if self.paired:
            return sign_test(self.values.mean(axis=0))
        return binomial_test(self.values, self.number)

    @property
    def agreeing(self) -> int:
        """For how many trainings alone it comes out as for their mean."""
        means = [100 * float(one.mean()) for one in self.values]
        holds = RELATIONS[self.relation]
        told = [holds(mean, self.number) for mean in means]
        return told.count(holds(sum(means) / len(means), self.number))


def compare(comparison: Comparison, dataset: str, evidence: Evidence) -> Finding:
    """One comparison: paired on the same images, against a number, or plain."""
    sides = (comparison.left, comparison.right)
    values = [evidence.value(side, dataset) for side in sides]
    names = [_name(side, value) for side, value in zip(sides, values, strict=True)]
    said = f" {SAID[comparison.relation]} ".join(names)
    left, right = (evidence.samples(side, dataset) for side in sides)
    sampled = _sampled(comparison, left, right, values)
    if sampled is None:
        holds = RELATIONS[comparison.relation](*values)
        return Finding(Outcome.HOLDS if holds else Outcome.FAILS, said)
    within = with_trainings(sampled.over_images, sampled.values)
    if sampled.paired:
        said += f": difference {values[0] - values[1]:+.2f} {_text(within, '+')}"
    else:
        said += f": {_text(within)}"
    trainings = len(sampled.values)
    if trainings > 1:
        said += f", mean over {trainings} seeds, of which {sampled.agreeing} agree"
    outcome = _outcome(within, sampled)
    return Finding(outcome, said, sampled.p, trainings)


def _sampled(
    comparison: Comparison,
    left: Outcomes | None,
    right: Outcomes | None,
    values: Sequence[float],
) -> Sampled | None:
    counted = all(map(_counts_images, (comparison.left, comparison.right)))
    relation = comparison.relation
    if left is not None and right is not None:
        if len(left) != len(right):
            # Of a side that was trained once, nothing tells what another seed would give.
            left, right = (one.mean(axis=0)[None] for one in (left, right))
        each = left.astype(float) - right
        return Sampled(each, relation, 0, paired=True, counted=counted)
    if left is not None:
        return Sampled(left, relation, values[1], paired=False, counted=counted)
    if right is not None:
        turned = TURNED[relation]
        return Sampled(right, turned, values[0], paired=False, counted=counted)
    return None


def _counts_images(side: Side) -> bool:
    return not (side.less or side.mean_of or side.corruptions or side.size)


def _outcome(within: Interval, sampled: Sampled) -> Outcome:
    """Decided where all of the interval says the same, and an exact test if there is one."""
    number = sampled.number
    if sampled.relation == "within":
        holds = all(near(end, number) for end in within)
        fails = within.low > number or within.high < -number
    else:
        above, below = within.low > number, within.high < number
        holds, fails = (above, below) if sampled.relation == ">" else (below, above)
    if sampled.p is not None and sampled.p >= SIGNIFICANT:
        return Outcome.INCONCLUSIVE
    if not holds and not fails:
        return Outcome.INCONCLUSIVE
    return Outcome.HOLDS if holds else Outcome.FAILS


def _told(findings: Sequence[Finding], deciding: Sequence[Finding]) -> str:
    """All comparisons, or of many how many met which outcome, and those that decide."""
    if len(findings) <= SHOWN:
        return "; ".join(finding.detail for finding in findings)
    least = max(findings, key=lambda finding: finding.p or 0)
    holds = deciding[0].outcome is Outcome.HOLDS
    told = "; ".join(f.detail for f in ([least] if holds else deciding[:SHOWN]))
    met = [finding.outcome for finding in findings]
    counts = ", ".join(
        f"{met.count(outcome)} {COUNTED[outcome][met.count(outcome) > 1]}"
        for outcome in Outcome
        if outcome in met
    )
    return f"of {len(findings)} comparisons {counts}; {told}"


# Of one comparison, and of several.
COUNTED = {
    Outcome.HOLDS: ("holds", "hold"),
    Outcome.FAILS: ("does not hold", "do not hold"),
    Outcome.INCONCLUSIVE: ("is inconclusive", "are inconclusive"),
}


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
