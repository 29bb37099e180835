"""What is too good to be believed is told next to the number, whatever the threat is called."""

from functools import cache
from typing import Any

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.evaluation.red_flags import Flag, Symptom, red_flags
from pipeline_steps.evaluation.threat_relations import Reason, why_at_least_as_strong
from pipeline_steps.jobs.specs import Specs

SOUND = {
    "clean": 84.0,
    "fgsm": 60.0,
    "pgd20": 50.0,
    "jsa10": 49.0,
    "jsa50": 45.0,
    "om-pgd": 70.0,
}
# A threat that no config has: the worst, image by image, of those that it holds.
WORST = {"attack": "ensemble", "parts": ("pgd100", "rays40k-adaptive")}


@cache
def spec(name: str) -> dict[str, Any]:
    plan = Specs(load_config("paper"))
    if name == "worst":
        return {**WORST, "parts": {part: spec(part) for part in WORST["parts"]}}
    if name == "rays40k-adaptive":
        return {"attack": "adaptive", "threat": spec("rays40k")}
    if name == "pgd20-any":
        return {**spec("pgd20"), "stop": "any"}
    return plan.threat(name, "cifar10").model_dump()


def flags(accuracies: dict[str, float]) -> dict[str, list[Flag]]:
    return red_flags(accuracies, {}, {name: spec(name) for name in accuracies})


def renamed(accuracies: dict[str, float]) -> dict[str, list[Flag]]:
    """The flags under names that tell nothing, back under the old ones."""
    names = {name: f"x{i}" for i, name in enumerate(accuracies)}
    specs = {names[name]: spec(name) for name in accuracies}
    flags = red_flags({names[n]: a for n, a in accuracies.items()}, {}, specs)
    return {name: flags[new] for name, new in names.items()}


def test_a_sound_defense_raises_no_flag():
    assert flags(SOUND) == {threat: [] for threat in SOUND}


# The threat in doubt, with an accuracy that it can't leave and one that it may, beside the
# accuracy that another one leaves; and why.
CASES = [
    ("fgsm", 86.0, 84.5, {"clean": 84.0}, Reason.HELPS),
    ("pgd20", 65.0, 60.9, {"fgsm": 60.0}, Reason.MASKED),
    ("pgd100", 52.0, 50.5, {"pgd20": 50.0}, Reason.FEWER),
    ("pgd20-any", 52.0, 50.0, {"pgd20": 50.0}, Reason.FEWER),
    ("cw100", 52.0, 50.5, {"cw20": 50.0}, Reason.FEWER),
    ("pgd20", 50.0, 48.0, {"pgd100": 44.0}, Reason.TOO_FEW),
    ("jsa50", 52.0, 50.5, {"pgd20": 50.0}, Reason.WIDER),
    ("jsa50", 45.0, 40.0, {"om-pgd": 40.0}, Reason.WIDER),
    ("joint", 50.0, 41.0, {"spatial": 40.0}, Reason.WIDER),
    ("joint", 50.0, 41.0, {"pgd20": 40.0}, Reason.WIDER),
    ("pgd20-16", 52.0, 20.0, {"pgd20": 50.0}, Reason.WIDER),
    ("pgd20", 50.0, 40.5, {"rays40k": 40.0}, Reason.BLIND),
    ("autoattack", 50.0, 38.0, {"rays40k": 40.0}, Reason.BLIND),
    ("rays40k", 50.0, 40.0, {"rays10k": 40.0}, Reason.QUERIES),
    ("autoattack", 50.0, 40.0, {"cw100": 40.0}, Reason.AUTOATTACK),
    ("pgd20", 70.0, 50.0, {"pgd20-from-at": 60.0}, Reason.TRANSFERRED),
    ("autoattack", 70.0, 50.0, {"pgd20-from-at": 60.0}, Reason.TRANSFERRED),
    ("pgd20-adaptive", 60.0, 40.5, {"pgd20": 40.0}, Reason.SEES_MORE),
    ("pgd20", 60.0, 40.5, {"pgd20-adaptive": 40.0}, Reason.UNSEEN),
    ("pgd100-adaptive", 60.0, 40.0, {"pgd20-adaptive": 40.0}, Reason.FEWER),
    ("pgd20-adaptive", 60.0, 40.0, {"rays40k-adaptive": 40.0}, Reason.BLIND),
    ("worst", 50.0, 38.0, {"pgd100": 40.0}, Reason.CONTAINS),
    ("worst", 50.0, 38.0, {"pgd20": 40.0}, Reason.CONTAINS),
    ("fgsm", 70.0, 60.0, {"pgd20": 35.0}, Reason.ONE_STEP),
]


@pytest.mark.parametrize(
    "called",
    [pytest.param(flags, id="by name"), pytest.param(renamed, id="renamed")],
)
@pytest.mark.parametrize(
    ("doubted", "wrong", "right", "beside", "why"),
    CASES,
    ids=[f"{case[0]} beside {', '.join(case[3])}" for case in CASES],
)
def test_each_flag_is_raised_once_and_silent_once(
    called, doubted, wrong, right, beside, why
):
    raised = called({doubted: wrong, **beside})
    (flag,) = raised.pop(doubted)
    assert flag.kind is why
    assert flag.accuracies == (wrong, *beside.values())
    assert flag.amount == (20 if why is Reason.TOO_FEW else None)
    assert not any(raised.values())
    assert not any(called({doubted: right, **beside}).values())


@pytest.mark.parametrize(
    ("strong", "weak"),
    [
        ("fgsm", "pgd20"),
        ("pgd20", "cw20"),
        ("pgd20", "pgd20-16"),
        ("pgd20", "jsa50"),
        ("autoattack", "jsa50"),  # which moves more than pixels
        ("autoattack", "pgd20-16"),
        ("d20", "rays40k"),  # on the discriminator alone
        ("fgsm", "rays40k"),
        ("rays40k", "pgd20"),
        ("pgd20-from-at", "pgd20"),
        ("pgd20-from-at", "pgd20-from-normal"),
        ("rays40k", "pgd20-from-at"),
        ("pgd100", "pgd20-adaptive"),
        ("pgd20", "worst"),
        ("clean", "pgd20"),
    ],
)
def test_what_need_not_be_stronger_is_not_compared(strong, weak):
    assert why_at_least_as_strong(spec(strong), spec(weak)) is None


def test_a_flag_names_both_numbers_and_the_pair_that_lies_farthest_apart():
    raised = flags({"pgd20": 50.0, "pgd50": 47.0, "pgd100": 60.0})
    assert raised["pgd100"] == [
        Flag(kind=Reason.FEWER, threats=("pgd100", "pgd50"), accuracies=(60.0, 47.0))
    ]


def test_a_defense_that_answers_differently_is_flagged():
    cards = {
        "pgd20": {"same_when_asked_twice": False},
        "clean": {"same_when_asked_twice": True},
    }
    raised = red_flags(SOUND, cards, {name: spec(name) for name in SOUND})
    assert raised["pgd20"] == [Flag(kind=Symptom.UNSTABLE, threats=("pgd20",))]
    assert raised["clean"] == []


def test_what_holds_of_attacks_is_not_said_of_no_attack():
    masked = {"without_gradient": 0.5}
    cards = {"plain": masked, "pushed": masked}
    specs = {"plain": spec("clean"), "pushed": spec("pgd20")}
    raised = red_flags({"plain": 90.0, "pushed": 50.0}, cards, specs)
    assert raised["plain"] == []
    masking = Flag(kind=Symptom.NO_GRADIENT, threats=("pushed",), amount=0.5)
    assert raised["pushed"] == [masking]


def test_few_numbers_raise_no_flag():
    assert flags({"pgd20": 99.0}) == {"pgd20": []}
    assert red_flags({}, {}) == {}
