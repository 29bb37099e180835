"""Threats by their specs: the one interface `threat(model, batch, rng)`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Entry
from pipeline_steps.threats.ascent import Objective, Perturbation, ascend
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.spec import ThreatSpec


@dataclass(frozen=True)
class Threat:
    """An attack that is ready to run."""

    perturbation: Perturbation
    objective: Objective
    steps: int

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        return ascend(model, batch, self.perturbation, self.objective, self.steps, rng)


def build_threat(spec: ThreatSpec, generators: Mapping[str, Any]) -> Threat:
    return Threat(
        perturbation=_perturbation(spec.edit, generators),
        objective=make("objective", spec.objective),
        steps=spec.steps,
    )


def _perturbation(entry: Entry, generators: Mapping[str, Any]) -> Perturbation:
    given: dict[str, Any] = {}
    if "generator" in entry:
        given["generator"] = generators[entry["generator"]["name"]]
    if "parts" in entry:
        given["parts"] = [_perturbation(part, generators) for part in entry["parts"]]
    return make("perturbation", entry, **given)
