"""Rules for when an accuracy under attack is too good to be believed."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import permutations
from typing import Any

from pipeline_steps.core.settings import Settings
from pipeline_steps.evaluation.threat_relations import (
    Reason,
    Spec,
    is_blind,
    is_nothing,
    steps_of,
    why_about_as_strong,
    why_at_least_as_strong,
)

# Differences of accuracy, in points, that may be chance.
TOLERANCE = 1.0
# The tolerated share of images at which the loss is flat.
FLAT = 0.01

# The facts where no threat is known.
UNKNOWN: Mapping[str, Spec] = {}


class Symptom(StrEnum):
    """Signs in the cards of verdicts that a defense's accuracy can't be believed."""

    UNSTABLE = "unstable"
    """It gives different answers to the same image."""
    NO_GRADIENT = "no_gradient"
    """The loss is flat at some images; the amount is their share."""
    UNSEEN_INFERENCE = "unseen_inference"
    """It optimises at inference, and the attack does not see it."""
    PROBABILITIES = "probabilities"
    """It answers with probabilities."""
    BROKEN_BLINDLY = "broken_blindly"
    """AutoAttack's Square breaks this many points that gradient attacks left."""


class Flag(Settings):
    """A reason to doubt an accuracy."""

    kind: Reason | Symptom
    threats: tuple[str, ...]
    """The threat in doubt and, where accuracies are compared, the other one."""
    accuracies: tuple[float, ...] = ()
    """The accuracies under them, in percent, where they are compared."""
    amount: float | None = None
    """The number in the reason: steps, a share of images, or points."""


def red_flags(
    accuracies: Mapping[str, float],
    cards: Mapping[str, Mapping[str, Any]],
    threats: Mapping[str, Spec] = UNKNOWN,
) -> dict[str, list[Flag]]:
    """What is suspect in one defense's accuracies (percent), by the threat in doubt.

    Threats are compared by their specs; one without a spec is not compared.
    """
    flags: dict[str, list[Flag]] = {threat: [] for threat in accuracies}
    compared = {name: spec for name, spec in threats.items() if name in accuracies}
    attacked = {n for n in cards if not is_nothing(threats.get(n, {}))}
    # Square by itself follows no gradient attack.
    blind = {n for n in cards if is_blind(threats.get(n, {}))}
    symptoms = [
        flag
        for flag in _symptoms(cards, attacked)
        if flag.kind is not Symptom.BROKEN_BLINDLY or flag.threats[0] not in blind
    ]
    for flag in [*_suspect(accuracies, compared), *symptoms]:
        flags.setdefault(flag.threats[0], []).append(flag)
    return flags


def _suspect(
    accuracies: Mapping[str, float], threats: Mapping[str, Spec]
) -> Iterator[Flag]:
    """For each threat and each reason, the pair that differs most."""
    widest: dict[tuple[str, Reason], tuple[float, str]] = {}
    for doubted, other, points, reason in _pairs(threats):
        gap = accuracies[doubted] - accuracies[other]
        if gap > points and gap > widest.get((doubted, reason), (0.0, ""))[0]:
            widest[doubted, reason] = gap, other
    for (doubted, reason), (_, other) in widest.items():
        steps = steps_of(threats[doubted]) if reason is Reason.TOO_FEW else None
        yield Flag(
            kind=reason,
            threats=(doubted, other),
            accuracies=(accuracies[doubted], accuracies[other]),
            amount=steps,
        )


def _pairs(threats: Mapping[str, Spec]) -> Iterator[tuple[str, str, float, Reason]]:
    """Pairs of threats: the first is in doubt if it leaves this many points more, and why."""
    for first, second in permutations(threats, 2):
        strong, weak = threats[first], threats[second]
        if reason := why_at_least_as_strong(strong, weak):
            yield first, second, TOLERANCE, reason
        if points_and_reason := why_about_as_strong(strong, weak):
            yield second, first, *points_and_reason


def worst_card(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of one threat's cards that flags need: the worst over all seeds."""
    return {
        "same_when_asked_twice": all(
            c.get("same_when_asked_twice", True) for c in cards
        ),
        "without_gradient": max(
            (c.get("without_gradient", 0) for c in cards), default=0
        ),
        "optimises_at_inference": any(c.get("optimises_at_inference") for c in cards),
        "attack_saw_inference": all(c.get("attack_saw_inference") for c in cards),
        "answers_probabilities": any(c.get("answers_probabilities") for c in cards),
        "broken_blindly": max(map(_broken_blindly, cards), default=0),
    }


def _broken_blindly(card: Mapping[str, Any]) -> float:
    """Points that AutoAttack's Square broke after the gradient attacks."""
    broken = card.get("broken_by", {})
    return 100 * float(broken.get("square", 0)) / max(1, sum(broken.values()))


def _symptoms(
    cards: Mapping[str, Mapping[str, Any]], attacked: set[str]
) -> Iterator[Flag]:
    for threat, card in cards.items():
        worst = worst_card([card]) | dict(card)
        if not worst["same_when_asked_twice"]:
            yield Flag(kind=Symptom.UNSTABLE, threats=(threat,))
        if threat in attacked:
            yield from _symptoms_of_attack(threat, worst)


def _symptoms_of_attack(threat: str, worst: Mapping[str, Any]) -> Iterator[Flag]:
    if worst["without_gradient"] > FLAT:
        share = worst["without_gradient"]
        yield Flag(kind=Symptom.NO_GRADIENT, threats=(threat,), amount=share)
    if worst["optimises_at_inference"] and not worst["attack_saw_inference"]:
        yield Flag(kind=Symptom.UNSEEN_INFERENCE, threats=(threat,))
    if worst["answers_probabilities"]:
        yield Flag(kind=Symptom.PROBABILITIES, threats=(threat,))
    if worst["broken_blindly"] > TOLERANCE:
        points = worst["broken_blindly"]
        yield Flag(kind=Symptom.BROKEN_BLINDLY, threats=(threat,), amount=points)
