"""Entries of threats.yaml, and the families of those whose strength a paper leaves open."""

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Literal

from pydantic import Field

from pipeline_steps.core.settings import (
    AttackEntry,
    Count,
    Extent,
    NotNegative,
    ObjectiveEntry,
    PerturbationEntry,
    Settings,
    Whole,
)
from pipeline_steps.papers.spec import Candidate

UNTARGETED: ObjectiveEntry = {"objective": "cross_entropy"}
TARGETED: ObjectiveEntry = {"objective": "targeted", "target": "random"}


class Family(Settings):
    """The settings that an attack of unstated strength may have had, in every pairing.

    Its members are threats named `NAME-level2-50-targeted`; the step is ε/√steps.
    """

    epsilon: list[Extent] = Field(min_length=1)
    """The strengths, from level 1 upwards."""
    steps: list[Count] = Field(min_length=1)
    """The number of steps."""
    targeted: list[bool] = Field(default=[False], min_length=1)
    """Whether the attack aims at a random wrong class, or away from the true one."""


class ThreatConfig(Settings):
    """An attack: an edit with its objective and steps, or one of another kind."""

    title: str
    """What it is, in words, with the paper's place."""
    edit: PerturbationEntry | None = None
    """What may be changed, and how far."""
    objective: ObjectiveEntry = Field({"objective": "cross_entropy"})
    """What the attack maximises."""
    steps: Whole | None = None
    """The number of steps."""
    momentum: NotNegative = 0.0
    """Momentum of the steps' directions, each scaled to L1 norm 1 (MIA)."""
    restarts: Count = 1
    """The number of random starts, all of which an image must withstand."""
    samples: Count = 1
    """The number of gradients averaged for a step, against random defenses (EOT)."""
    stop: Literal["last", "any"] = "last"
    """Which iterate counts: the last, as in the papers, or any that fools the model."""
    attack: AttackEntry | None = None
    """Instead of an edit: an attack with an algorithm of its own."""
    family: Family | None = None
    """The settings that a calibration chooses from; the threat itself is one of
    them."""
    images: Count | None = None
    """The most test images that are attacked; few if only pictures show them."""


def with_families(threats: Mapping[str, ThreatConfig]) -> dict[str, ThreatConfig]:
    """The threats with all members of families among them, as threats of their own."""
    every = dict(threats)
    for name, threat in threats.items():
        for member in members(name, threat):
            every.setdefault(member.threat, _member(threat, member))
    return every


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


def _member(threat: ThreatConfig, candidate: Candidate) -> ThreatConfig:
    assert threat.edit is not None
    # UAR's rule (docs/methods/attacks.md#rules-of-uar); where the step is 0, the edit
    # takes none of a fixed size.
    step = (
        candidate.epsilon / sqrt(candidate.steps) if threat.edit["step_size"] else 0.0
    )
    attack = threat.title.partition(" (")[0]
    said = f"{attack}: ε = {candidate.epsilon:g}, {candidate.steps} steps"
    return threat.model_copy(
        update={
            "title": f"{said}, targeted" if candidate.targeted else said,
            "edit": threat.edit | {"epsilon": candidate.epsilon, "step_size": step},
            "objective": TARGETED if candidate.targeted else UNTARGETED,
            "steps": candidate.steps,
            "family": None,
        }
    )
