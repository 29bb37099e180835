"""How much it takes to break a defense: the smallest budget, image by image."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# What withstands every budget that was tried.
UNBROKEN = np.inf


def smallest_budgets(verdicts: Mapping[float, Path]) -> "pd.Series":
    """The smallest budget under which each image was misclassified, by its number.

    Only images that were judged under all budgets count. An image that a small budget
    breaks counts as broken by all larger ones, for these allow the same edit.
    """
    # Here, for pandas takes long to import.
    import pandas as pd

    right = {}
    for budget in sorted(verdicts):
        table = pd.read_parquet(verdicts[budget], columns=["image", "correct"])
        right[budget] = table.set_index("image")["correct"].astype(bool)
    wrong = ~pd.concat(right, axis=1, join="inner")
    smallest = wrong.idxmax(axis=1).astype(float)
    smallest[~wrong.any(axis=1)] = UNBROKEN
    return smallest.rename("budget")


def withstood(smallest: "pd.Series", budget: float) -> np.ndarray:
    """Which images withstand this budget and all smaller ones."""
    unbroken: np.ndarray = (smallest > budget).to_numpy()
    return unbroken
