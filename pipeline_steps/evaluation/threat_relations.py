"""Which of two threats should be at least as strong, judged by their specs.

A threat is given by its spec from the cards of verdicts. Its name plays no part, so a
renamed threat raises the same flags.
"""

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

Spec = Mapping[str, Any]

# From this many steps on, an ascent counts as converged.
SEVERAL = 10
# From this many on, more of them should change little.
MANY = 20


class Reason(StrEnum):
    """Why two accuracies of one defense can't both be believed."""

    HELPS = "helps"
    """Unattacked accuracy is below accuracy under an attack."""
    FEWER = "fewer"
    """More of the same attack does less."""
    QUERIES = "queries"
    """More queries do less."""
    MASKED = "masked"
    """One step does more than many."""
    WIDER = "wider"
    """An attack that can make every edit of another does less."""
    CONTAINS = "contains"
    """The worst of several threats does less than one of them."""
    BLIND = "blind"
    """An attack that sees no gradient does more than one that does."""
    TRANSFERRED = "transferred"
    """An attack that was crafted on another network does more."""
    SEES_MORE = "sees_more"
    """An attack that sees the inference does less than one that doesn't."""
    AUTOATTACK = "autoattack"
    """AutoAttack does less."""
    UNSEEN = "unseen"
    """An attack that sees the inference does more."""
    TOO_FEW = "too_few"
    """Many more steps do far more."""
    ONE_STEP = "one_step"
    """Several steps do far more than one."""


# Settings of an edit that don't change which images it can reach.
WAYS = {"step_size", "start_at", "boxed"}
# An ascent's settings, except its edit, its steps, and those that can only strengthen
# it.
OPTIONS = {"momentum": 0.0, "samples": 1}


def is_nothing(spec: Spec) -> bool:
    """Whether it leaves images as they are."""
    edit = spec.get("edit") or {}
    return edit.get("perturbation") == "nothing" or edit.get("epsilon") == 0


def why_at_least_as_strong(strong: Spec, weak: Spec) -> Reason | None:
    """Why the first should leave no more accuracy than the second, if it should."""
    if strong == weak or is_nothing(strong):
        return None
    if is_nothing(weak):
        return Reason.HELPS
    return next(_reasons(strong, weak), None)


def _reasons(strong: Spec, weak: Spec) -> Iterator[Reason]:
    if parts := _members(strong):
        if any(part == weak or why_at_least_as_strong(part, weak) for part in parts):
            yield Reason.CONTAINS
    elif _is_transferred(weak):
        inner = weak["threat"]
        stronger = strong == inner or why_at_least_as_strong(strong, inner)
        if stronger and not _is_transferred(strong) and not is_blind(strong):
            yield Reason.TRANSFERRED
    elif _sees_inference(strong):
        if weak == strong["threat"]:
            yield Reason.SEES_MORE
        elif weak.get("attack") == strong["attack"]:
            yield from _reasons(strong["threat"], weak["threat"])
    elif not _is_wrapped(strong) and not _is_wrapped(weak):
        yield from _of_plain_attacks(strong, weak)


def _of_plain_attacks(strong: Spec, weak: Spec) -> Iterator[Reason]:
    if is_blind(strong):
        if _same(strong, weak, {"queries"}) and strong["queries"] > weak["queries"]:
            yield Reason.QUERIES
    elif is_blind(weak):
        if (
            steps_of(strong) >= MANY
            and _leads_to_errors(strong)
            and _reaches(strong, weak)
        ):
            yield Reason.BLIND
    elif strong.get("attack") == "autoattack":
        if "edit" in weak and _reaches(strong, weak):
            yield Reason.AUTOATTACK
    elif _raise_the_same(strong, weak):
        yield from _of_ascents(strong, weak)


def _of_ascents(strong: Spec, weak: Spec) -> Iterator[Reason]:
    """Of two ascents of one objective."""
    many, few = steps_of(strong), steps_of(weak)
    same_images = _same_images(strong["edit"], weak["edit"])
    if few == 1 and many >= SEVERAL and same_images:
        yield Reason.MASKED
    elif few and _options_as_strong(strong, weak):
        if strong["edit"] == weak["edit"] and (many == few or many > few > 1):
            yield Reason.FEWER
        elif many >= max(few, SEVERAL) and _is_wider(strong["edit"], weak["edit"]):
            yield Reason.WIDER


def why_about_as_strong(strong: Spec, weak: Spec) -> tuple[float, Reason] | None:
    """The points by which the first may be stronger, and the reason to doubt the second
    if it is by more."""
    if _sees_inference(strong) and strong["threat"] == weak:
        return 1.0, Reason.UNSEEN
    if not _raise_the_same(strong, weak):
        return None
    many, few = steps_of(strong), steps_of(weak)
    if few == 1 and many >= SEVERAL and _same_images(strong["edit"], weak["edit"]):
        return 30.0, Reason.ONE_STEP
    if few >= MANY and many > few and _same(strong, weak, {"steps"}):
        return 5.0, Reason.TOO_FEW
    return None


def _members(spec: Spec) -> list[Spec]:
    """The parts of a worst case over several threats, or none."""
    parts = spec.get("parts")
    return [*parts.values()] if isinstance(parts, Mapping) else []


def _is_wrapped(spec: Spec) -> bool:
    """Whether it runs another threat under other conditions."""
    return isinstance(spec.get("threat"), Mapping)


def _is_transferred(spec: Spec) -> bool:
    return _is_wrapped(spec) and "crafted_on" in spec


def _sees_inference(spec: Spec) -> bool:
    return _is_wrapped(spec) and "crafted_on" not in spec


def is_blind(spec: Spec) -> bool:
    """Whether it is a black box: it counts queries, and sees outputs but no gradients."""
    if _is_wrapped(spec):
        return is_blind(spec["threat"])
    return "queries" in spec and "steps" not in spec


def _leads_to_errors(spec: Spec) -> bool:
    """Whether its objective is the defense's error. Raising a discriminator's error, or
    one class alone, may leave the defense right."""
    objective = spec.get("objective")
    return objective is None or objective["objective"] in ("cross_entropy", "margin")


def _raise_the_same(first: Spec, second: Spec) -> bool:
    """Whether both are ascents, and of one objective."""
    ascents = "edit" in first and "edit" in second
    return ascents and first.get("objective") == second.get("objective")


def steps_of(spec: Spec) -> int:
    return int(spec.get("steps") or 0)


def _same(first: Spec, second: Spec, but: set[str]) -> bool:
    keys = (first.keys() | second.keys()) - but
    return all(first.get(key) == second.get(key) for key in keys)


def _options_as_strong(strong: Spec, weak: Spec) -> bool:
    """Whether the options of two ascents are equal, or can only help the first."""
    alike = all(strong.get(k, v) == weak.get(k, v) for k, v in OPTIONS.items())
    restarts = strong.get("restarts", 1) >= weak.get("restarts", 1)
    stops = strong.get("stop") == "any" or weak.get("stop", "last") == "last"
    return alike and restarts and stops


def _same_images(first: Spec, second: Spec) -> bool:
    return _covers(first, second) and _covers(second, first)


def _is_wider(wide: Spec, narrow: Spec) -> bool:
    return _covers(wide, narrow) and not _covers(narrow, wide)


def _covers(wide: Spec, narrow: Spec) -> bool:
    """Whether an edit can make every image that another one can."""
    parts, others = wide.get("parts"), narrow.get("parts")
    if parts and others:
        pairs = zip(parts, others, strict=False)
        alike = wide["perturbation"] == narrow["perturbation"]
        return alike and len(parts) == len(others) and all(_covers(*p) for p in pairs)
    if parts:
        return any(_covers(part, narrow) for part in parts)
    if others or not _same(wide, narrow, WAYS | {"epsilon", "level"}):
        return False
    if wide.get("level") not in (None, narrow.get("level")):
        return False
    return _as_large(wide.get("epsilon"), narrow.get("epsilon"))


def _as_large(budget: float | None, other: float | None) -> bool:
    if budget is None or other is None:
        return budget == other
    return budget > other or math.isclose(budget, other)


def _reaches(strong: Spec, weak: Spec) -> bool:
    """Whether it may change each pixel as much as the other edit, which edits pixels only."""
    edit = weak.get("edit")
    if edit is not None and not _moves_pixels(edit):
        return False
    reach, other = _pixel_budget(strong), _pixel_budget(weak)
    return reach is not None and other is not None and _as_large(reach, other)


def _pixel_budget(spec: Spec) -> float | None:
    """How much a threat may change single pixels, in L∞."""
    edit = spec.get("edit")
    if edit is None:
        return spec.get("epsilon")
    parts = filter(_moves_pixels, edit.get("parts", [edit]))
    return max((part["epsilon"] for part in parts), default=None)


def _moves_pixels(edit: Spec) -> bool:
    return edit.get("perturbation") == "pixel" and edit.get("norm") == "linf"
