"""Threats by their specs: the one interface `threat(model, batch, rng)`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.spec import ThreatSpec

KINDS = ("attack", "perturbation", "objective")


class Attack(Protocol):
    """Edits the images of a batch, and tells what that took."""

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Attacked: ...


@dataclass(frozen=True)
class Threat:
    """An attack that is ready to run."""

    attack: Attack

    def __call__(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        return self.attack(model, batch, rng).images


def build_threat(spec: ThreatSpec, generators: Mapping[str, Any]) -> Threat:
    return Threat(_built(spec.model_dump(), generators))


def _built(value: Any, generators: Mapping[str, Any]) -> Any:
    """What a spec names, from the inside out; generators are there already."""
    if isinstance(value, list):
        return [_built(item, generators) for item in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("generator"), str):
        return generators[value["name"]]
    inside = {key: _built(item, generators) for key, item in value.items()}
    for kind in KINDS:
        if isinstance(value.get(kind), str):
            return make(kind, inside)
    return inside
