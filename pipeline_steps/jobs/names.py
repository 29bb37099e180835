"""Labels in paths: a data set's corruption, a defense's seed, weights and origin.

`cifar10.fog` is what fog makes of the test images of `cifar10`; `at@1.best` the best
weights of `at` from seed 1; `at.from-om-cifar10` an `at` that was trained elsewhere than
on the data set that judges it.
"""

from pipeline_steps.papers.spec import FROM

# Ends the name of a defense that is judged by its best weights instead of its last.
BEST = ".best"


def base(dataset: str) -> str:
    """The data set whose test images are judged, corrupted or not."""
    return dataset.partition(".")[0]


def corruption(dataset: str) -> str:
    """What was done to them, if anything."""
    return dataset.partition(".")[2]


def origin(dataset: str, defense: str) -> tuple[str, str]:
    """Where a defense was trained, and its label there."""
    label, _, home = defense.partition(FROM)
    return home or base(dataset), label
