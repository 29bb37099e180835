"""Whether a paper's own tables bear its sentences out."""

from collections.abc import Mapping

from pipeline_steps.papers.claim import RELATIONS, Claim, Quantity, Side
from pipeline_steps.papers.spec import Key

Numbers = Mapping[tuple[Key, ...], float]
"""Printed accuracies, by the jobs that stand behind them."""


def borne_out(claim: Claim, numbers: Numbers) -> bool | None:
    """Whether the claim holds for the printed numbers, if they decide it."""
    answers: list[bool | None] = []
    for comparison in claim.comparisons:
        left, right = (
            _side(s, claim.dataset, numbers)
            for s in (comparison.left, comparison.right)
        )
        if left is None or right is None:
            answers.append(None)
        else:
            answers.append(RELATIONS[comparison.relation](left, right))
    return (
        False if False in answers else None if None in answers or not answers else True
    )


def _side(side: Side, dataset: str, numbers: Numbers) -> float | None:
    if side.defense is None:
        return side.number
    value = _quantity(side, dataset, numbers)
    taken = _quantity(side.less, dataset, numbers) if side.less else 0.0
    return None if value is None or taken is None else value - taken


def _quantity(quantity: Quantity, dataset: str, numbers: Numbers) -> float | None:
    if quantity.epoch or quantity.size:
        return None
    jobs = quantity.behind(dataset, {})
    cells = [(job,) for job in jobs] if quantity.mean_of else [tuple(jobs)]
    printed = [numbers.get(cell) for cell in cells]
    known = [value for value in printed if value is not None]
    return sum(known) / len(known) if len(known) == len(printed) else None
