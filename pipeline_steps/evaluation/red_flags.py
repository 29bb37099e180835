"""Rules that tell when an accuracy under attack is too good to be believed."""

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

# Points of accuracy that chance alone may give or take.
TOLERANCE = 1.0
# The share of images at which the loss may be flat.
FLAT = 0.01

# What no threat is known of.
UNKNOWN: Mapping[str, Spec] = {}


class Symptom(StrEnum):
    """What the cards of verdicts alone show of a defense that can't be believed."""

    UNSTABLE = "unstable"
    """It answers differently when asked twice."""
    NO_GRADIENT = "no_gradient"
    """The loss is flat at some images; the amount is their share."""
    UNSEEN_INFERENCE = "unseen_inference"
    """It optimises at inference, and the attack does not see it."""
    PROBABILITIES = "probabilities"
    """It answers with probabilities."""
    BROKEN_BLINDLY = "broken_blindly"
    """AutoAttack's Square breaks so many points that attacks with gradients left."""


class Flag(Settings):
    """A reason to doubt an accuracy."""

    kind: Reason | Symptom
    threats: tuple[str, ...]
    """The threat in doubt and, where accuracies are compared, the other one."""
    accuracies: tuple[float, ...] = ()
    """What these leave, in percent, where they are compared."""
    amount: float | None = None
    """A number that the kind speaks of: steps, a share of images, or points."""


def red_flags(
    accuracies: Mapping[str, float],
    cards: Mapping[str, Mapping[str, Any]],
    threats: Mapping[str, Spec] = UNKNOWN,
) -> dict[str, list[Flag]]:
    """What is suspect in one defense's accuracies (percent), by the threat in doubt.

    Threats are compared by what they are, their specs; one without a spec with no other.
    """
    flags: dict[str, list[Flag]] = {threat: [] for threat in accuracies}
    compared = {name: spec for name, spec in threats.items() if name in accuracies}
    attacked = {n for n in cards if not is_nothing(threats.get(n, {}))}
    # Square by itself follows no attack with gradients, which might have left something.
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
    """For each threat and each reason the pair that lies farthest apart."""
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
    """Which threat is in doubt if it leaves so many points more than which other, and why."""
    for first, second in permutations(threats, 2):
        strong, weak = threats[first], threats[second]
        if reason := why_at_least_as_strong(strong, weak):
            yield first, second, TOLERANCE, reason
        if points_and_reason := why_about_as_strong(strong, weak):
            yield second, first, *points_and_reason


def worst_card(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the flags want to know of one threat's cards, over all seeds: the worst."""
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
    """Points that AutoAttack's Square took of what the parts with gradients had left."""
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
