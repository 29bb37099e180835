"""Which setting of an attack best explains the numbers that a paper printed for some
defenses."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers.spec import CalibrationSpec, Candidate
from pipeline_steps.papers.statistics import Key, Outcomes, accuracy, interval

# Distances that differ by less count as equal, because sums depend on their order.
SAME = 1e-9


@dataclass(frozen=True)
class Fit:
    """A candidate, and how far the defenses' accuracies under it are from the printed
    ones."""

    candidate: Candidate
    accuracies: Mapping[str, float]
    distance: float
    """The root of the mean square difference, in points."""
    within: bool
    """Whether all printed numbers lie within the measured ones' intervals."""


def fits(spec: CalibrationSpec, outcomes: Mapping[Key, Outcomes]) -> list[Fit]:
    """All candidates, the best first; among equally good ones the one in use comes
    first."""
    candidates = [_fit(spec, candidate, outcomes) for candidate in spec.candidates]
    best = min(fit.distance for fit in candidates)

    def order(fit: Fit) -> tuple[float, bool]:
        tied = fit.distance - best < SAME
        return best if tied else fit.distance, fit.candidate.threat != spec.frozen

    return sorted(candidates, key=order)


def _fit(
    spec: CalibrationSpec, candidate: Candidate, outcomes: Mapping[Key, Outcomes]
) -> Fit:
    judged = {name: (spec.dataset, name, candidate.threat) for name in spec.targets}
    for name, key in judged.items():
        if key not in outcomes:
            raise PipelineError(
                f"no verdicts of {name} under {candidate.threat} on {spec.dataset} "
                f"were given, so {spec.name} can't choose; build them first"
            )
    accuracies = {name: accuracy(outcomes[key]) for name, key in judged.items()}
    squares = [
        (accuracies[name] - printed) ** 2 for name, printed in spec.targets.items()
    ]
    within = all(
        interval(outcomes[judged[name]]).holds(printed)
        for name, printed in spec.targets.items()
    )
    return Fit(candidate, accuracies, sqrt(sum(squares) / len(squares)), within)


def verdict(spec: CalibrationSpec, ranked: list[Fit]) -> str:
    """How well the best candidate fits, in a sentence."""
    best = ranked[0]
    sure = (
        "every printed number is within the 95 % interval of what was measured"
        if best.within
        else "none of the settings explains the printed numbers"
        if not any(fit.within for fit in ranked)
        else "another one is nearer the single numbers' intervals"
    )
    tied = sum(fit.distance - best.distance < SAME for fit in ranked) - 1
    also = f"; {tied} more as near" if tied else ""
    return (
        f"Closest is {best.candidate.threat}, {best.distance:.2f} points off (root mean "
        f"square){also}; {sure}."
    )


def complaint(spec: CalibrationSpec, ranked: list[Fit]) -> str | None:
    """What to change, if the tables use another setting."""
    best = ranked[0].candidate.threat
    if best == spec.frozen:
        return None
    own = next(fit for fit in ranked if fit.candidate.threat == spec.frozen)
    return (
        f"The tables use {spec.frozen}, which is {own.distance:.2f} points off: let "
        f"`calibrations.{spec.name}.frozen` and the calibrated columns in "
        f"workflow/config/papers/{spec.paper}.yaml name {best}"
    )
