"""Rules that tell when an accuracy under attack is too good to be believed."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from pipeline_steps.evaluation.threat_relations import (
    Spec,
    is_nothing,
    why_about_as_strong,
    why_at_least_as_strong,
)

# Points of accuracy that chance alone may give or take.
TOLERANCE = 1.0
# The share of images at which the loss may be flat.
FLAT = 0.01

# What no threat is known of.
UNKNOWN: Mapping[str, Spec] = {}


def red_flags(
    accuracies: Mapping[str, float],
    cards: Mapping[str, Mapping[str, Any]],
    threats: Mapping[str, Spec] = UNKNOWN,
) -> dict[str, list[str]]:
    """What is suspect in one defense's accuracies (percent), by the threat in doubt.

    Threats are compared by what they are, their specs; one without a spec with no other.
    """
    flags: dict[str, list[str]] = {threat: [] for threat in accuracies}
    told = {name: spec for name, spec in threats.items() if name in accuracies}
    attacked = {n: c for n, c in cards.items() if not is_nothing(threats.get(n, {}))}
    for threat, flag in [*_suspect(accuracies, told), *_told_by_cards(cards, attacked)]:
        flags.setdefault(threat, []).append(flag)
    return flags


def _suspect(
    accuracies: Mapping[str, float], threats: Mapping[str, Spec]
) -> Iterator[tuple[str, str]]:
    """For each threat and each reason the pair that lies farthest apart."""
    widest: dict[tuple[str, str], tuple[float, str]] = {}
    for doubted, other, points, why in _pairs(threats):
        gap = accuracies[doubted] - accuracies[other]
        if gap > points and gap > widest.get((doubted, why), (0.0, ""))[0]:
            widest[doubted, why] = gap, other
    for (doubted, why), (_, other) in widest.items():
        yield doubted, _sentence(doubted, other, accuracies, why)


def _pairs(threats: Mapping[str, Spec]) -> Iterator[tuple[str, str, float, str]]:
    """Which threat is in doubt if it leaves so many points more than which other, and why."""
    for one, other in permutations(threats, 2):
        strong, weak = threats[one], threats[other]
        if why := why_at_least_as_strong(strong, weak):
            yield one, other, TOLERANCE, why
        if told := why_about_as_strong(strong, weak):
            yield other, one, *told


def _sentence(here: str, there: str, accuracies: Mapping[str, float], why: str) -> str:
    return (
        f"{here} leaves {accuracies[here]:.2f} where {there} leaves "
        f"{accuracies[there]:.2f}: {why}"
    )


def joined(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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


def _told_by_cards(
    cards: Mapping[str, Mapping[str, Any]], attacked: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for threat, card in cards.items():
        worst = joined([card]) | dict(card)
        if not worst["same_when_asked_twice"]:
            yield threat, "the defense answers differently when asked twice"
        if threat not in attacked:
            continue
        if worst["without_gradient"] > FLAT:
            share = f"{100 * worst['without_gradient']:.0f} %"
            yield threat, f"the loss has no gradient at {share} of the images probed"
        if worst["optimises_at_inference"] and not worst["attack_saw_inference"]:
            yield (
                threat,
                "the defense optimises when asked, and the attack does not see it",
            )
        if worst["answers_probabilities"]:
            yield threat, "the defense answers with probabilities, not with logits"
        if worst["broken_blindly"] > TOLERANCE:
            points = f"{worst['broken_blindly']:.2f} points"
            yield threat, f"Square breaks {points} that attacks with gradients had left"
