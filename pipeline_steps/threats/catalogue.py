"""Threats by their specs: the one interface `threat(model, batch, rng)`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from torch import Tensor, nn

from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.spec import ThreatSpec

NONE: Mapping[str, Any] = MappingProxyType({})
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


def build_threat(
    spec: ThreatSpec,
    generators: Mapping[str, Any],
    defenses: Mapping[str, nn.Module] = NONE,
) -> Threat:
    return Threat(_built(spec.model_dump(), generators, defenses))


def _built(
    value: Any, generators: Mapping[str, Any], defenses: Mapping[str, nn.Module]
) -> Any:
    """What a spec names, from the inside out; what was trained is there already."""
    if isinstance(value, list):
        return [_built(item, generators, defenses) for item in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("generator"), str):
        return generators[value["name"]]
    if isinstance(value.get("defense"), str):
        return defenses[value["defense"]]
    inside = {k: _built(item, generators, defenses) for k, item in value.items()}
    for kind in KINDS:
        if isinstance(value.get(kind), str):
            return make(kind, inside)
    return inside
