"""How robust a model is: accuracy under threats, with intervals and red flags.

    >>> import torch
    >>> from robust_papers import evaluate
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
    >>> images, labels = torch.rand(20, 3, 8, 8), torch.arange(20) % 10
    >>> result = evaluate(network, ["fgsm", "pgd5"], (images, labels), progress=False)
    >>> list(result.to_frame()["threat"])
    ['clean', 'fgsm', 'pgd5', 'worst case']
    >>> bool(result.accuracy("pgd5") >= result.accuracy("worst case"))
    True

Attacks run as in the pipeline: on a copy of the network with its batch norms folded, in
batches that fit into memory, each image with random numbers of its own. So a model of the
pipeline gets the very predictions here that its tables count.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import Meter
from pipeline_steps.core.settings import Precision
from pipeline_steps.core.tables import Table
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.evaluation.gather_verdicts import metrics
from pipeline_steps.evaluation.probe import probe
from pipeline_steps.evaluation.red_flags import red_flags
from pipeline_steps.evaluation.verdicts import Judge, VerdictLog, worst_case
from pipeline_steps.generators.generator import Generator
from pipeline_steps.manifolds.manifold_set import NOTHING, Projected
from pipeline_steps.papers import statistics, wording
from pipeline_steps.papers.statistics import Interval
from pipeline_steps.threats.frozen import frozen
from robust_papers.images import load_images
from robust_papers.inputs import (
    Function,
    Model,
    as_network,
    checked,
    copyable,
    explained,
)
from robust_papers.threats import LoadedThreat, load_threat

CLEAN = "clean"
WORST = "worst case"


@dataclass(frozen=True)
class UnderThreat:
    """A model's accuracy and predictions under one threat."""

    threat: str
    title: str
    accuracy: float
    """In percent."""
    interval: Interval
    """The accuracy's 95 % confidence interval over test images."""
    correct: np.ndarray
    """For each image, whether the model is right."""
    predictions: pd.DataFrame | None = None
    """A row for each image: label, prediction, margin, whether it is correct, the size of
    the edit, and the steps or queries used. The worst case has none, because it combines
    several predictions."""


@dataclass(frozen=True)
class Evaluation:
    """A model's results under each threat, and reasons to doubt them."""

    results: dict[str, UnderThreat]
    """By the threat's name; `clean` is the first, `worst case` the last."""
    red_flags: list[str] = field(default_factory=list)
    """Reasons to doubt a number, one sentence each: masked gradients, answers that differ
    when asked twice, an attack that does less than a weaker one."""

    def accuracy(self, threat: str = WORST) -> float:
        """The accuracy in percent under a threat; by default in the worst case."""
        return self[threat].accuracy

    def __getitem__(self, threat: str) -> UnderThreat:
        if threat not in self.results:
            raise PipelineError(
                f"'{threat}' was not evaluated; there are {', '.join(self.results)}"
            )
        return self.results[threat]

    def to_frame(self) -> pd.DataFrame:
        """A data frame with a row for each threat: accuracy in percent, 95 % interval."""
        return pd.DataFrame(
            {
                "threat": result.threat,
                "accuracy": result.accuracy,
                "low": result.interval.low,
                "high": result.interval.high,
                "images": len(result.correct),
            }
            for result in self.results.values()
        )

    def __str__(self) -> str:
        lines = [
            f"{r.threat}: {r.accuracy:.2f} % [{r.interval.low:.2f}, {r.interval.high:.2f}]"
            for r in self.results.values()
        ]
        return "\n".join([*lines, *(f"red flag: {flag}" for flag in self.red_flags)])


def evaluate(
    model: Model,
    threats: str | LoadedThreat | Sequence[str | LoadedThreat],
    data: str | tuple[Tensor, Tensor],
    *,
    count: int | None = None,
    budgets_of: str | None = None,
    generator: Generator | None = None,
    latents: np.ndarray | None = None,
    batch: int = 250,
    seed: int = 0,
    precision: Precision = "float32",
    progress: bool = True,
) -> Evaluation:
    """Attacks a model with each threat and measures its accuracy.

    `data` is a data set's name, or a pair of images in [0, 1] and labels; `count` uses only
    the first of them. The model is evaluated on the device of its weights.

    Threats by name use the budgets of that data set, or of the one that `budgets_of` names
    (for tensors, CIFAR-10's by default). Threats on a manifold need the `generator`; if it
    can't encode, like a GAN, they also need the images' `latents`. `precision`
    ("bfloat16") applies to the attacks; predictions are always made in float32.
    """
    dataset = budgets_of or (data if isinstance(data, str) else "cifar10")
    named = [threats] if isinstance(threats, str | LoadedThreat) else list(threats)
    loaded = [
        threat
        if isinstance(threat, LoadedThreat)
        else load_threat(threat, dataset, generator=generator)
        for threat in [CLEAN, *(threat for threat in named if threat != CLEAN)]
    ]
    images, labels = load_images(data) if isinstance(data, str) else _pair(data)
    if count is not None and count < 1:
        raise PipelineError(f"count={count!r}: evaluate at least one image")
    images, labels = images[:count], labels[:count]
    if not len(images):
        raise PipelineError("there are no images to evaluate the model on")
    network = as_network(model)
    projected = _projected(generator, latents)
    meter = Meter("images attacked", len(images) * len(loaded), shown=progress)
    done: dict[str, tuple[Table, dict[str, Any]]] = {}
    with _computing(network), closing(meter):
        seen = ImageSet(*checked(network, images, labels))
        shared = copyable(network)
        if isinstance(shared, Function):
            precision = "float32"  # the user's function chooses its own precision
        for threat in loaded:
            judge = Judge(shared, seen, threat.threat, seed, precision, projected)
            done[threat.name] = _judged(judge, batch, meter)
    return _evaluation(loaded, done)


@contextmanager
def _computing(network: nn.Module) -> Iterator[None]:
    """Freezes the network in eval mode and enables gradients, even under `no_grad`."""
    with torch.inference_mode(False), torch.enable_grad(), frozen(network), explained():
        yield


def _pair(data: object) -> tuple[Any, Any]:
    if isinstance(data, tuple | list) and len(data) == 2:
        return data[0], data[1]
    raise PipelineError(
        "data must be a data set's name or a pair (images, labels), not "
        f"{type(data).__name__}"
    )


def _projected(generator: Generator | None, latents: np.ndarray | None) -> Projected:
    """The images' latents, for a generator that can't encode."""
    if latents is None:
        return NOTHING
    if generator is None:
        raise PipelineError("latents belong to a generator; give that too")
    return Projected({generator.name: np.asarray(latents)}, raw=generator.raw)


def _judged(judge: Judge, batch: int, meter: Meter) -> tuple[Table, dict[str, Any]]:
    """The model's results under one threat, and its red flags."""
    log, total, before = VerdictLog(), len(judge.data), meter.done
    for start in range(0, total, batch):
        log.add(judge(range(start, min(total, start + batch))), kept=0)
        meter.at(before + min(total, start + batch))
    table = log.table()
    suspect = probe(judge.model, *judge.probed)
    suspect["same_when_asked_twice"] &= log.same_when_asked_twice
    if suspect["optimises_at_inference"]:
        suspect["attack_saw_inference"] = judge.threat.sees_inference
    return table, metrics(table) | suspect


def _evaluation(
    loaded: Sequence[LoadedThreat], done: dict[str, tuple[Table, dict[str, Any]]]
) -> Evaluation:
    results = {
        threat.name: _under(threat.name, threat.title, done[threat.name][0])
        for threat in loaded
    }
    right = worst_case([table for table, _ in done.values()])
    results[WORST] = UnderThreat(
        WORST,
        "right under every threat",
        statistics.accuracy(right[None]),
        statistics.interval(right[None]),
        right,
    )
    flags = red_flags(
        {name: results[name].accuracy for name in done},
        {name: card for name, (_, card) in done.items()},
        {threat.name: threat.spec.model_dump(mode="json") for threat in loaded},
    )
    sentences = [wording.flag(flag) for raised in flags.values() for flag in raised]
    return Evaluation(results, list(dict.fromkeys(sentences)))


def _under(name: str, title: str, table: Table) -> UnderThreat:
    right = table["correct"]
    return UnderThreat(
        name,
        title,
        statistics.accuracy(right[None]),
        statistics.interval(right[None]),
        right,
        pd.DataFrame(table),
    )
