"""The evidence for claims: the numbers behind each quantity that they mention.

Everything sampled has a value for each seed and each test image, and the number is 100
times their mean: right or wrong for an accuracy in percent, and a hundredth of the
distance for how far an image was moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import did_you_mean
from pipeline_steps.core.tables import read_table
from pipeline_steps.papers.claim import Quantity, Side
from pipeline_steps.papers.spec import Run
from pipeline_steps.papers.statistics import (
    Key,
    Outcomes,
    accuracy,
    best_elsewhere,
    curve_of,
    over_corruptions,
)


@dataclass(frozen=True)
class Evidence:
    """All measured numbers, by data set, defense and threat."""

    outcomes: Mapping[Key, Outcomes] = field(default_factory=dict)
    """Right or wrong, by the last weights."""
    sizes: Mapping[tuple[str, Key], Outcomes] = field(default_factory=dict)
    """How far images were moved, by norm first."""
    curves: Mapping[tuple[str, Key], Outcomes] = field(default_factory=dict)
    """Right or wrong, by the `last` and the `best` of the weights kept while training."""
    manifolds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The metrics of each manifold, by data set and generator."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """What was really used in place of a data set that the paper names."""

    def samples(self, side: Quantity, dataset: str) -> Outcomes | None:
        """A side's values for each seed and image; `None` for a plain number."""
        if side.defense is None:
            return None
        here = self._samples(side, dataset)
        less = getattr(side, "less", None)
        if less is None:
            return here
        other = self._samples(less, dataset)
        if len(here) != len(other):
            here, other = here.mean(axis=0)[None], other.mean(axis=0)[None]
        return here.astype(float) - other

    def value(self, side: Side, dataset: str) -> float:
        samples = self.samples(side, dataset)
        if samples is not None:
            return accuracy(samples)
        if side.manifold is None or side.metric is None:
            return float(side.number or 0)
        name = f"{dataset}/{side.manifold}"
        if name not in self.manifolds:
            raise PipelineError(f"no card of the manifold {name} was given")
        metrics = self.manifolds[name]
        if side.metric not in metrics:
            hint = did_you_mean(side.metric, metrics)
            raise PipelineError(
                f"the card of the manifold {name} has no metric '{side.metric}'{hint}"
            )
        return float(metrics[side.metric])

    def _samples(self, quantity: Quantity, dataset: str) -> Outcomes:
        keys = quantity.behind(dataset, self.stand_ins)
        if quantity.epoch:
            samples = [_get(self.curves, (quantity.epoch, key), *key) for key in keys]
        elif quantity.size:
            samples = [_get(self.sizes, (quantity.size, key), *key) for key in keys]
        else:
            samples = [_get(self.outcomes, key, *key) for key in keys]
        if quantity.worst_of:
            return np.logical_and.reduce(samples)
        if quantity.corruptions:
            return over_corruptions(samples)
        return samples[0] if len(samples) == 1 else np.mean(samples, axis=0)


def _get(known: Mapping[Any, Outcomes], key: Any, *names: str) -> Outcomes:
    if key not in known:
        dataset, defense, threat = names
        raise PipelineError(
            f"no verdicts of {defense} under {threat} on {dataset} were given"
        )
    return known[key]


def read_curves(
    runs: Sequence[Run], files: Sequence[Path]
) -> dict[tuple[str, Key], Outcomes]:
    """Right or wrong by the last and by the best of each seed's kept weights; seeds are
    stacked.

    No image is scored by weights that it helped to choose.
    """
    curves: dict[tuple[str, Key], list[np.ndarray]] = {}
    for run, path in zip(runs, files, strict=True):
        _, right = curve_of(read_table(path, ["epoch", "image", "correct"]))
        key = (run.dataset, run.defense, run.threat)
        curves.setdefault(("last", key), []).append(right[-1])
        curves.setdefault(("best", key), []).append(best_elsewhere(right))
    return {key: np.stack(seeds) for key, seeds in curves.items()}
