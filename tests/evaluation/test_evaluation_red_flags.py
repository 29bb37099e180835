"""What is too good to be believed is told next to the number."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.evaluation.red_flags import NO_MORE_THAN, NOT_FAR_BELOW, red_flags

SOUND = {
    "clean": 84.0,
    "fgsm": 60.0,
    "pgd20": 50.0,
    "jsa10": 49.0,
    "jsa50": 45.0,
    "om-pgd": 70.0,
}


def test_a_sound_defense_raises_no_flag():
    assert red_flags(SOUND, {}) == {threat: [] for threat in SOUND}


@pytest.mark.parametrize(
    ("changed", "doubted", "told"),
    [
        ({"pgd20": 65.0}, "pgd20", "pgd20 leaves 65.00 where fgsm leaves 60.00"),
        ({"pgd100": 44.0}, "pgd20", "twenty steps were too few"),
        (
            {"pgd100": 52.0},
            "pgd100",
            "more steps of the same attack should not do less",
        ),
        ({"rays10k": 40.0}, "pgd20", "sees no gradient should not do more"),
        ({"jsa50": 52.0}, "jsa50", "all that PGD may do, JSA may do too"),
        ({"om-pgd": 40.0}, "jsa50", "all that OM-PGD may do, JSA may do too"),
        ({"fgsm": 86.0}, "fgsm", "an attack should not help the defense"),
    ],
)
def test_a_number_that_cannot_be_is_flagged(changed, doubted, told):
    flags = red_flags({**SOUND, **changed}, {})
    assert any(told in flag for flag in flags[doubted])


def test_what_chance_may_give_is_not_flagged():
    assert not any(red_flags({**SOUND, "pgd20": 60.9}, {})["pgd20"])


def test_a_defense_that_answers_differently_is_flagged():
    cards = {
        "pgd20": {"same_when_asked_twice": False},
        "clean": {"same_when_asked_twice": True},
    }
    flags = red_flags(SOUND, cards)
    assert flags["pgd20"] == ["the defense answers differently when asked twice"]
    assert flags["clean"] == []


def test_few_numbers_raise_no_flag():
    assert red_flags({"pgd20": 99.0}, {}) == {"pgd20": []}
    assert red_flags({}, {}) == {}


def test_the_rules_speak_of_threats_by_their_names_in_the_config():
    known = set(load_config("paper").threats)
    named = {threat for rule in (*NO_MORE_THAN, *NOT_FAR_BELOW) for threat in rule[:2]}
    assert named <= known
