"""How certain a number is: intervals over the test images, and tests of differences.

The test image is the unit throughout. With several seeds an image counts by the share
of seeds that got it right, so that more seeds never pass for more images. The spread
between seeds shows what another training might give. All results are percentages.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.tables import Table, read_table
from pipeline_steps.papers.spec import Key as Key
from pipeline_steps.papers.spec import Run

LEVEL = 0.95
SIGNIFICANT = 1 - LEVEL
REPLICATES = 10_000
# The severities of each corruption, as in `datasets`.
SEVERITIES = 5
# With fewer images right, or wrong, than this, the bootstrap is too narrow.
FEW = 10
# With more distinct values than this, a mean is practically normal, and resampling is
# slow.
MANY = 500

# Right or wrong: a row for each seed, a column for each test image.
Outcomes = np.ndarray


class Interval(NamedTuple):
    """The 95 % confidence interval of a percentage."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def read_outcomes(
    runs: Sequence[Run], files: Sequence[Path], column: str = "correct"
) -> dict[Key, Outcomes]:
    """The verdicts of all runs, by data set, defense and threat; seeds are stacked."""
    judged: dict[str, tuple[Path, np.ndarray]] = {}
    outcomes: dict[Key, list[np.ndarray]] = {}
    for run, path in zip(runs, files, strict=True):
        table = read_table(path, ["image", column])
        order = np.argsort(table["image"])
        images = table["image"][order]
        other, expected = judged.setdefault(run.dataset, (path, images))
        if not np.array_equal(images, expected):
            raise PipelineError(
                f"{path} and {other} were judged on different images, so they can't "
                "be compared; delete both and build them again"
            )
        outcomes.setdefault(run.key, []).append(table[column][order])
    return {key: np.stack(seeds) for key, seeds in outcomes.items()}


def curve_of(table: Table) -> tuple[list[int], np.ndarray]:
    """The epochs of a curve over training, and right or wrong: a row for each epoch."""
    epochs = np.unique(table["epoch"]).tolist()
    order = np.lexsort((table["image"], table["epoch"]))
    return epochs, table["correct"][order].reshape(len(epochs), -1)


def best_elsewhere(right: np.ndarray) -> np.ndarray:
    """Right or wrong by the best of the kept weights, from a row for each epoch.

    Each half of the images is scored by the weights that kept most of the other half:
    chosen on the images that score it, an epoch would be best by chance too.
    """
    half = np.arange(right.shape[1]) % 2
    if right.shape[1] < 2:
        return np.asarray(right[right.mean(axis=1).argmax()])
    first, second = (
        right[right[:, half == other].mean(axis=1).argmax()] for other in (1, 0)
    )
    return np.where(half == 0, first, second)


def over_corruptions(parts: Sequence[Outcomes]) -> Outcomes:
    """For each image the share of its corrupted copies that are right.

    Every part has all images at the first severity, then all at the second.
    """
    copies = [part.reshape(len(part), SEVERITIES, -1) for part in parts]
    return np.concatenate(copies, axis=1).mean(axis=1)


def accuracy(outcomes: Outcomes) -> float:
    return float(100 * outcomes.mean())


def spread(outcomes: Outcomes) -> float | None:
    """The standard deviation between seeds, where there are several."""
    if len(outcomes) < 2:
        return None
    return float(100 * outcomes.mean(axis=1).std(ddof=1))


def interval(outcomes: Outcomes) -> Interval:
    """The interval of an accuracy: a bootstrap over images, or exact near 0 and 100 %.

    The exact one is Clopper and Pearson's, because a bootstrap of ten images out of ten
    would claim certainty. Differences are not such shares of images and use
    `bootstrap`.
    """
    values = outcomes.mean(axis=0)
    right = round(values.sum())
    if min(right, len(values) - right) < FEW:
        # Imported here, because SciPy's statistics take long to import.
        from scipy.stats import binomtest

        exact = binomtest(right, len(values)).proportion_ci(LEVEL, "exact")
        return Interval(100 * float(exact.low), 100 * float(exact.high))
    return bootstrap(values)


def with_trainings(within: Interval, values: np.ndarray) -> Interval:
    """An interval over images, widened by how far another set of trainings may be off.

    Values have a row for each training, paired where they are differences. The spread of
    the trainings' means gives Student's margin; errors of images and of trainings do not
    depend on each other, so their squares add up. One training leaves the interval alone.
    """
    trainings = len(values)
    if trainings < 2:
        return within
    means = 100 * values.mean(axis=1)
    from scipy.stats import t

    factor = float(t.ppf((1 + LEVEL) / 2, trainings - 1))
    margin = factor * float(means.std(ddof=1)) / trainings**0.5
    middle = float(means.mean())
    return Interval(
        middle - math.hypot(middle - within.low, margin),
        middle + math.hypot(within.high - middle, margin),
    )


def differences(left: Outcomes, right: Outcomes) -> np.ndarray:
    """Each image's contribution to the difference of two accuracies."""
    return left.mean(axis=0) - right.mean(axis=0)


def bootstrap(values: np.ndarray) -> Interval:
    """The interval of the mean of one value per image, by resampling the images.

    Images of equal value are alike, so that a resample is a draw of how often each
    value occurs: the same distribution, in milliseconds. The stream is fixed: a table
    made twice is the same table.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > MANY:
        from scipy.stats import norm

        mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
        ends = mean + norm.interval(LEVEL)[1] * error * np.array([-1, 1])
        return Interval(*(100 * ends).tolist())
    stream = np.random.default_rng(0)
    draws = stream.multinomial(len(values), counts / len(values), size=REPLICATES)
    means = 100 * (draws @ distinct) / len(values)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(low), float(high))


def sign_test(values: np.ndarray) -> float:
    """The exact probability of so uneven a split if neither side is better.

    With one seed on each side this is McNemar's exact test.
    """
    better, worse = int((values > 0).sum()), int((values < 0).sum())
    if better + worse == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue)


def binomial_test(outcomes: Outcomes, percent: float) -> float:
    """The exact probability of such an accuracy if the true one were `percent`."""
    from scipy.stats import binomtest

    values = outcomes.mean(axis=0)
    return float(binomtest(round(values.sum()), len(values), percent / 100).pvalue)
