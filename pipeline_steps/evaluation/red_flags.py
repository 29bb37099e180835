"""Rules that tell when an accuracy under attack is too good to be believed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Points of accuracy that chance alone may give or take.
TOLERANCE = 1.0
# The share of images at which the loss may be flat.
FLAT = 0.01

FEWER = "more steps of the same attack should not do less"
MASKED = "one step does more than many, so gradients may be masked"
BLIND = "an attack that sees no gradient should not do more"

# The first attack should leave no more accuracy than the second.
NO_MORE_THAN = (
    ("pgd10", "fgsm", MASKED),
    ("pgd20", "fgsm", MASKED),
    ("pgd50", "fgsm", MASKED),
    ("pgd20", "pgd10", FEWER),
    ("pgd50", "pgd20", FEWER),
    ("pgd100", "pgd20", FEWER),
    ("cw100", "cw20", FEWER),
    ("pgd20", "rays10k", BLIND),
    ("pgd100", "rays10k", BLIND),
    ("autoattack", "rays10k", BLIND),
    ("rays40k", "rays10k", "more queries should not do less"),
    ("autoattack", "pgd100", "AutoAttack should do at least as much"),
    ("autoattack", "cw100", "AutoAttack should do at least as much"),
    ("autoattack", "pgd20", "AutoAttack should do at least as much"),
    ("jsa50", "jsa10", FEWER),
    ("jsa10", "pgd10", "all that PGD may do, JSA may do too"),
    ("jsa50", "pgd20", "all that PGD may do, JSA may do too"),
    ("jsa50", "om-pgd", "all that OM-PGD may do, JSA may do too"),
)

# The first attack should leave about as much as the second, up to so many points.
UNSEEN = "the attack did not see what the defense optimises at inference"
NOT_FAR_BELOW = (
    ("pgd100", "pgd20", 5.0, "twenty steps were too few"),
    ("pgd20-adaptive", "pgd20", TOLERANCE, UNSEEN),
    ("pgd100-adaptive", "pgd100", TOLERANCE, UNSEEN),
    ("cw20-adaptive", "cw20", TOLERANCE, UNSEEN),
    ("autoattack-adaptive", "autoattack", TOLERANCE, UNSEEN),
    ("rays10k-adaptive", "rays10k", TOLERANCE, UNSEEN),
)


def red_flags(
    accuracies: Mapping[str, float], cards: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """What is suspect in one defense's accuracies (percent), by the threat in doubt."""
    flags: dict[str, list[str]] = {threat: [] for threat in accuracies}
    for threat, flag in [*_suspect(accuracies), *_told_by_cards(cards)]:
        flags.setdefault(threat, []).append(flag)
    return flags


def _suspect(accuracies: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    def both(*threats: str) -> bool:
        return all(threat in accuracies for threat in threats)

    for strong, weak, why in NO_MORE_THAN:
        if both(strong, weak) and accuracies[strong] > accuracies[weak] + TOLERANCE:
            yield strong, _sentence(strong, weak, accuracies, why)
    for strong, weak, points, why in NOT_FAR_BELOW:
        if both(strong, weak) and accuracies[strong] < accuracies[weak] - points:
            yield weak, _sentence(weak, strong, accuracies, why)
    for threat, accuracy in accuracies.items():
        if both("clean") and accuracy > accuracies["clean"] + TOLERANCE:
            why = "an attack should not help the defense"
            yield threat, _sentence(threat, "clean", accuracies, why)


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
    cards: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str]]:
    for threat, card in cards.items():
        worst = joined([card]) | dict(card)
        if not worst["same_when_asked_twice"]:
            yield threat, "the defense answers differently when asked twice"
        if threat == "clean":
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
