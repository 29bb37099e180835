"""What is too good to be believed is flagged, and nothing else."""

import pytest

from pipeline_steps.evaluation.red_flags import red_flags


@pytest.mark.parametrize(
    ("accuracies", "suspect"),
    [
        ({"clean": 90, "fgsm": 55, "pgd10": 51, "pgd20": 50, "jsa50": 45}, None),
        ({"clean": 90, "pgd20": 0, "jsa50": 0}, None),
        ({"fgsm": 20, "pgd20": 50}, "pgd20"),
        ({"pgd20": 50, "pgd100": 44}, "pgd20"),
        ({"pgd20": 50, "pgd100": 46}, None),
        ({"pgd20": 50, "pgd100": 52}, "pgd100"),
        ({"pgd20": 50, "jsa50": 52}, "jsa50"),
        ({"pgd20": 50, "jsa50": 50.9}, None),
        ({"om-pgd": 40, "jsa50": 45}, "jsa50"),
        ({"clean": 80, "fgsm": 85}, "fgsm"),
        ({"rays10k": 40, "pgd20": 50}, "pgd20"),
    ],
)
def test_flags_stand_at_the_number_in_doubt(
    accuracies: dict[str, float], suspect: str | None
) -> None:
    flags = red_flags(accuracies, {})
    assert set(flags) == set(accuracies)
    assert [threat for threat, said in flags.items() if said] == (
        [suspect] if suspect else []
    )


def test_answers_that_change_are_flagged() -> None:
    cards = {
        "clean": {"same_when_asked_twice": True},
        "pgd20": {"same_when_asked_twice": False},
    }
    flags = red_flags({"clean": 90, "pgd20": 50}, cards)
    assert not flags["clean"]
    assert "asked twice" in flags["pgd20"][0]
