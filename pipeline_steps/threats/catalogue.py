"""Threats by their specs: the one interface `threat(network, batch, rng)`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make, parameters, path_of
from pipeline_steps.generators.generator import Generator
from pipeline_steps.threats.objective import Objective
from pipeline_steps.threats.perturbation import Perturbation
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.threat import Attack, Threat
from pipeline_steps.threats.victim import Victim

KINDS = {"attack": Attack, "perturbation": Perturbation, "objective": Objective}


def build_threat(
    spec: ThreatSpec,
    generators: Mapping[str, Generator],
    defenses: Mapping[str, nn.Module] | None = None,
) -> Threat:
    """A threat, with the trained generators and networks that its spec names."""
    attack = _Builder(generators, defenses or {}).built(spec.model_dump())
    assert isinstance(attack, Attack)
    return Threat(attack)


@dataclass(frozen=True)
class _Builder:
    generators: Mapping[str, Generator]
    defenses: Mapping[str, nn.Module] = field(default_factory=dict)

    def built(self, value: object) -> object:
        """What a spec names, built from the inside out; generators and networks are
        passed in."""
        if isinstance(value, list):
            return [self.built(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        if isinstance(value.get("generator"), str):
            return self.generators[value["name"]]
        if isinstance(value.get("defense"), str):
            return Victim.of(self.defenses[value["defense"]])
        inside = {name: self.built(item) for name, item in value.items()}
        for kind in KINDS:
            if isinstance(value.get(kind), str):
                return _made(kind, inside)
        return inside


def _made(kind: str, entry: dict[str, object]) -> object:
    """Builds a registered class; attacks that it refers to by name are passed to it as
    threats."""
    word = str(entry[kind])
    for parameter in parameters(kind, word):
        if parameter.name in entry and parameter.mentions("Threat"):
            entry[parameter.name] = _as_threat(entry[parameter.name])
    thing = make(kind, entry)
    if not isinstance(thing, KINDS[kind]):
        raise PipelineError(
            f"{path_of(kind, word)}: {type(thing).__name__} must be derived from "
            f"{KINDS[kind].__module__}.{KINDS[kind].__name__}"
        )
    return thing


def _as_threat(value: object) -> object:
    if isinstance(value, dict):
        return {name: _as_threat(item) for name, item in value.items()}
    return Threat(value) if isinstance(value, Attack) else value
