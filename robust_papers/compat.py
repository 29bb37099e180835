"""Calls as users of torchattacks, AutoAttack and RobustBench write them.

    from robust_papers.compat import PGD, AutoAttack, benchmark  # instead of theirs

    attacked = PGD(model, eps=8 / 255, alpha=2 / 255, steps=20)(images, labels)
    attacked = AutoAttack(model, norm="Linf", eps=8 / 255).run_standard_evaluation(
        images, labels, bs=250
    )
    clean, robust = benchmark(model, dataset="cifar10", threat_model="Linf", eps=8 / 255)

The attacks are this project's own, and each image has random numbers of its own, so single
verdicts may differ from theirs. An option that is not here is refused, not ignored.
"""

import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.release.loading import load_defense
from robust_papers.evaluation import evaluate
from robust_papers.inputs import Model
from robust_papers.threats import LoadedThreat, load_threat


class _Attack:
    """A threat on a model, called with images and labels."""

    def __init__(self, model: Model, threat: LoadedThreat) -> None:
        self.model, self.threat = model, threat

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.threat(self.model, images, labels)


class FGSM(_Attack):
    """As torchattacks.FGSM."""

    def __init__(self, model: Model, eps: float = 8 / 255) -> None:
        super().__init__(model, load_threat("fgsm", epsilon=eps))


class PGD(_Attack):
    """As torchattacks.PGD: `alpha` is the size of a step."""

    def __init__(
        self,
        model: Model,
        eps: float = 8 / 255,
        alpha: float = 2 / 255,
        steps: int = 10,
        random_start: bool = True,
    ) -> None:
        # With these settings `fgsm` differs from `pgd20` only in its start.
        name = "pgd20" if random_start else "fgsm"
        super().__init__(
            model, load_threat(name, epsilon=eps, step_size=alpha, steps=steps)
        )


class AutoAttack(_Attack):
    """As torchattacks.AutoAttack and autoattack.AutoAttack: the standard version in L∞."""

    def __init__(
        self,
        model: Model,
        norm: str = "Linf",
        eps: float = 8 / 255,
        version: str = "standard",
    ) -> None:
        _expect("norm", norm, "Linf")
        _expect("version", version, "standard")
        super().__init__(model, load_threat("autoattack", epsilon=eps))

    def run_standard_evaluation(
        self, images: Tensor, labels: Tensor, bs: int = 250
    ) -> Tensor:
        """The attacked images; accuracies are what `evaluate` is for."""
        if not len(images):
            return images
        parts = [
            self.threat(
                self.model,
                images[start : start + bs],
                labels[start : start + bs],
                first=start,
            )
            for start in range(0, len(images), bs)
        ]
        return torch.cat(parts)


def benchmark(
    model: Model,
    n_examples: int = 10_000,
    dataset: str = "cifar10",
    threat_model: str = "Linf",
    batch_size: int = 250,
    eps: float | None = None,
) -> tuple[float, float]:
    """As robustbench.benchmark: accuracy clean and under AutoAttack, from 0 to 1."""
    _expect("threat_model", threat_model, "Linf")
    threat = load_threat("autoattack", dataset, epsilon=eps)
    result = evaluate(model, threat, dataset, count=n_examples, batch=batch_size)
    return result.accuracy("clean") / 100, result.accuracy("autoattack") / 100


def load_model(
    model_name: str,
    dataset: str = "cifar10",
    threat_model: str = "Linf",
    repository: str | None = None,
) -> nn.Module:
    """As robustbench.load_model: a released defense of this project."""
    _expect("threat_model", threat_model, "Linf")
    return load_defense(model_name, dataset, repository=repository)


def _expect(option: str, value: str, offered: str) -> None:
    if value != offered:
        raise PipelineError(
            f"{option}={value!r} is not offered here; {option}={offered!r} is"
        )
