"""Names in paths: a data set's corruption, a defense's seed, weights and origin.

`cifar10.fog` is what fog makes of the test images of `cifar10`; `at@1.best` the best
weights of `at` from seed 1; `at.from-om-cifar10` an `at` that was trained elsewhere than
on the data set that judges it.
"""

from pipeline_steps.papers.spec import BEST, FROM


def base(dataset: str) -> str:
    """The data set whose test images are judged, corrupted or not."""
    return dataset.partition(".")[0]


def corruption(dataset: str) -> str:
    """The corruption in a name, if there is one."""
    return dataset.partition(".")[2]


def origin(dataset: str, defense: str) -> tuple[str, str]:
    """Where a defense was trained, and its label there."""
    label, _, home = defense.partition(FROM)
    return home or base(dataset), label


def seeded(label: str) -> tuple[str, int | None]:
    """A defense's name, and its seed if the label names one."""
    name, _, seed = label.removesuffix(BEST).partition("@")
    return name, int(seed) if seed else None
