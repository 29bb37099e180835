"""Decides a paper's claims by the measured numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_steps.papers.claim import (
    RELATIONS,
    Claim,
    Comparison,
    Relation,
    Side,
    near,
)
from pipeline_steps.papers.evidence import Evidence
from pipeline_steps.papers.results import Finding, Outcome
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

TURNED: dict[Relation, Relation] = {"<": ">", ">": "<"}


@dataclass(frozen=True)
class Decision:
    """A claim's outcome, and what it rests on."""

    outcome: Outcome
    trainings: int | None = None
    """The fewest behind a comparison that decides it."""
    p: float | None = None
    findings: tuple[Finding, ...] = ()


def decide(claim: Claim, evidence: Evidence) -> Decision:
    """It holds if every comparison does, and fails if any one does.

    Each comparison is taken by itself: the level is not corrected for their number.
    """
    if not claim.holds:
        return Decision(Outcome.NOT_RUN)
    used = evidence.stand_ins.get(claim.dataset, claim.dataset)
    findings = [compare(comparison, used, evidence) for comparison in claim.comparisons]
    outcome = together(finding.outcome for finding in findings)
    deciding = [finding for finding in findings if finding.outcome is outcome]
    fails = outcome is Outcome.FAILS
    tested = [finding.p for finding in deciding if finding.p is not None]
    return Decision(
        outcome=outcome,
        trainings=(max if fails else min)(f.trainings for f in deciding),
        p=(min if fails else max)(tested, default=None),
        findings=tuple(findings),
    )


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of comparisons that must all hold."""
    present = {*outcomes}
    worst_first = (Outcome.FAILS, Outcome.INCONCLUSIVE)
    return next(
        (outcome for outcome in worst_first if outcome in present), Outcome.HOLDS
    )


@dataclass(frozen=True)
class Sampled:
    """What is compared with a number, for each training and each image."""

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
        """How many trainings by themselves give the same outcome as their mean."""
        means = [100 * float(values.mean()) for values in self.values]
        holds = RELATIONS[self.relation]
        answers = [holds(mean, self.number) for mean in means]
        return answers.count(holds(sum(means) / len(means), self.number))


def compare(comparison: Comparison, dataset: str, evidence: Evidence) -> Finding:
    """One comparison: paired on the same images, against a number, or plain."""
    sides = (comparison.left, comparison.right)
    values = [evidence.value(side, dataset) for side in sides]
    facts: dict[str, Any] = {
        "comparison": comparison,
        "left": values[0],
        "right": values[1],
    }
    left, right = (evidence.samples(side, dataset) for side in sides)
    sampled = _sampled(comparison, left, right, values)
    if sampled is None:
        holds = RELATIONS[comparison.relation](*values)
        return Finding(**facts, outcome=Outcome.HOLDS if holds else Outcome.FAILS)
    within = with_trainings(sampled.over_images, sampled.values)
    return Finding(
        **facts,
        outcome=_outcome(within, sampled),
        interval=within,
        paired=sampled.paired,
        trainings=len(sampled.values),
        agreeing=sampled.agreeing,
        p=sampled.p,
    )


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
            # With one training of a side, nothing tells what another seed would give.
            left, right = (side.mean(axis=0)[None] for side in (left, right))
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
    """Decided if the whole interval agrees, and the exact test if there is one."""
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
