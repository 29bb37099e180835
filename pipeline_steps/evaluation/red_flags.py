"""Rules that tell when an accuracy under attack is too good to be believed."""

from collections.abc import Iterator, Mapping
from typing import Any

# Points of accuracy that chance alone may give or take.
TOLERANCE = 1.0

# The first attack should leave no more accuracy than the second.
NO_MORE_THAN = (
    ("pgd10", "fgsm", "one step does more than ten, so gradients may be masked"),
    ("pgd20", "fgsm", "one step does more than twenty, so gradients may be masked"),
    ("pgd20", "pgd10", "more steps of the same attack should not do less"),
    ("pgd100", "pgd20", "more steps of the same attack should not do less"),
    ("pgd20", "rays", "an attack that sees no gradient should not do more"),
    ("jsa50", "jsa10", "more steps of the same attack should not do less"),
    ("jsa10", "pgd10", "all that PGD may do, JSA may do too"),
    ("jsa50", "pgd20", "all that PGD may do, JSA may do too"),
    ("jsa50", "om-pgd", "all that OM-PGD may do, JSA may do too"),
)

# The first attack should leave about as much as the second, up to so many points.
NOT_FAR_BELOW = (("pgd100", "pgd20", 5.0, "twenty steps were too few"),)


def red_flags(
    accuracies: Mapping[str, float], cards: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """What is suspect in one defense's accuracies (percent), by the threat in doubt."""
    flags: dict[str, list[str]] = {threat: [] for threat in accuracies}
    for threat, flag in [*_suspect(accuracies), *_unstable(cards)]:
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


def _unstable(cards: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for threat, metrics in cards.items():
        if metrics.get("same_when_asked_twice") is False:
            yield threat, "the defense answers differently when asked twice"
