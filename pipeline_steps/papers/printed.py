"""Whether a paper's own tables bear its sentences out."""

from collections.abc import Mapping

from pipeline_steps.papers.claim import RELATIONS, Claim, Quantity, Side
from pipeline_steps.papers.spec import Key

Numbers = Mapping[tuple[Key, ...], float]
"""Printed accuracies, by the jobs that stand behind them."""


def borne_out(claim: Claim, numbers: Numbers) -> bool | None:
    """Whether the claim holds for the printed numbers, if they decide it."""
    found: list[bool | None] = []
    for one in claim.comparisons:
        left, right = (_side(s, claim.dataset, numbers) for s in (one.left, one.right))
        if left is None or right is None:
            found.append(None)
        else:
            found.append(RELATIONS[one.relation](left, right))
    return False if False in found else None if None in found or not found else True


def _side(side: Side, dataset: str, numbers: Numbers) -> float | None:
    if side.defense is None:
        return side.number
    told = _quantity(side, dataset, numbers)
    taken = _quantity(side.less, dataset, numbers) if side.less else 0.0
    return None if told is None or taken is None else told - taken


def _quantity(quantity: Quantity, dataset: str, numbers: Numbers) -> float | None:
    if quantity.epoch or quantity.size:
        return None
    jobs = quantity.behind(dataset, {})
    cells = [(job,) for job in jobs] if quantity.mean_of else [tuple(jobs)]
    found = [numbers.get(cell) for cell in cells]
    told = [value for value in found if value is not None]
    return sum(told) / len(told) if len(told) == len(found) else None
