"""Attacks whose strength a paper leaves open: all settings that it may have meant."""

from collections.abc import Iterator, Mapping
from math import sqrt

from pipeline_steps.config.models import ThreatConfig
from pipeline_steps.config.paper_models import Calibration
from pipeline_steps.core.settings import ObjectiveEntry
from pipeline_steps.papers.spec import Candidate

UNTARGETED: ObjectiveEntry = {"objective": "cross_entropy"}
TARGETED: ObjectiveEntry = {"objective": "targeted", "target": "random"}


def with_families(threats: Mapping[str, ThreatConfig]) -> dict[str, ThreatConfig]:
    """The threats with all members of families among them, as threats of their own."""
    found = dict(threats)
    for name, threat in threats.items():
        for one in members(name, threat):
            found.setdefault(one.threat, _member(threat, one))
    return found


def candidates(
    calibration: Calibration, threats: Mapping[str, ThreatConfig]
) -> list[Candidate]:
    """What a calibration chooses from."""
    families = ((name, threats[name]) for name in calibration.families)
    return [one for name, threat in families for one in members(name, threat)]


def members(name: str, threat: ThreatConfig) -> Iterator[Candidate]:
    """A threat with its family; the one member that it is itself has its name."""
    if threat.family is None or threat.edit is None or not can_vary(threat):
        return
    own = (threat.edit["epsilon"], threat.steps, threat.objective != UNTARGETED)
    for level, epsilon in enumerate(threat.family.epsilon, 1):
        for steps in threat.family.steps:
            for targeted in threat.family.targeted:
                aim = "-targeted" if targeted else ""
                same = (epsilon, steps, targeted) == own
                yield Candidate(
                    threat=name if same else f"{name}-level{level}-{steps}{aim}",
                    epsilon=epsilon,
                    steps=steps,
                    targeted=targeted,
                )


def can_vary(threat: ThreatConfig) -> bool:
    """Whether it has what a family's members differ in."""
    return {"epsilon", "step_size"} <= (threat.edit or {}).keys()


def _member(threat: ThreatConfig, one: Candidate) -> ThreatConfig:
    assert threat.edit is not None
    # UAR's rule (METHODS 1.2); where the step is 0, the edit takes none of a fixed size.
    step = one.epsilon / sqrt(one.steps) if threat.edit["step_size"] else 0.0
    attack = threat.title.partition(" (")[0]
    said = f"{attack}: ε = {one.epsilon:g}, {one.steps} steps"
    return threat.model_copy(
        update={
            "title": f"{said}, targeted" if one.targeted else said,
            "edit": threat.edit | {"epsilon": one.epsilon, "step_size": step},
            "objective": TARGETED if one.targeted else UNTARGETED,
            "steps": one.steps,
            "family": None,
        }
    )
