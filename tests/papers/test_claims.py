"""A claim is decided by its comparisons, and says how sure that is."""

from typing import Any

import numpy as np
import pytest

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers.claim import Claim, Comparison
from pipeline_steps.papers.claims import Decision, count, decide, verdicts
from pipeline_steps.papers.evidence import Evidence
from pipeline_steps.papers.printed import borne_out

PGD = {"threat": "pgd20"}
AT, IJSAT, NORMAL = ({"defense": name, **PGD} for name in ("at", "ijsat", "normal"))
ERROR = {"manifold": "glow", "metric": "worst_error"}


def evidence(**accuracies: float | list[float]) -> Evidence:
    """Made-up accuracies under PGD-20 on 400 images; harder ones fail first."""
    order = np.arange(400)
    outcomes = {
        ("digits", name, "pgd20"): np.stack(
            [order < a * 4 for a in (given if isinstance(given, list) else [given])]
        )
        for name, given in accuracies.items()
    }
    return Evidence(outcomes, manifolds={"digits/glow": {"worst_error": 2e-6}})


def claim(*holds: tuple[dict[str, Any], str, dict[str, Any]], **more: Any) -> Claim:
    comparisons = [{"left": a, "relation": r, "right": b} for a, r, b in holds]
    content = {"name": "c", "place": "p", "says": "s", "dataset": "digits"}
    return Claim.model_validate(content | {"holds": comparisons} | more)


def decided(found: Evidence, *holds: Any) -> tuple[str, str]:
    decision = decide(claim(*holds), found, papers_size=True)
    return decision.verdict, decision.strength


@pytest.mark.parametrize(
    ("ijsat", "expected"),
    [
        (60, ("reproduced", "strong")),
        (50.5, ("reproduced", "within noise")),
        (50, ("not reproduced", "within noise")),
        (49.5, ("not reproduced", "within noise")),
        (40, ("not reproduced", "strong")),
    ],
)
def test_two_accuracies(ijsat: float, expected: tuple[str, str]) -> None:
    assert decided(evidence(at=50, ijsat=ijsat), (IJSAT, ">", AT)) == expected
    assert decided(evidence(at=50, ijsat=ijsat), (AT, "<", IJSAT)) == expected


@pytest.mark.parametrize(
    ("normal", "expected"),
    [
        (0, ("reproduced", "strong")),
        (1.5, ("reproduced", "within noise")),
        (20, ("not reproduced", "strong")),
    ],
)
def test_an_accuracy_and_a_number(normal: float, expected: tuple[str, str]) -> None:
    found = evidence(normal=normal)
    assert decided(found, (NORMAL, "<", {"number": 2})) == expected
    assert decided(found, ({"number": 2}, ">", NORMAL)) == expected


def test_an_error_and_a_number() -> None:
    decision = decide(claim((ERROR, "<", {"number": 1e-4})), evidence(), True)
    assert (decision.verdict, decision.strength) == ("reproduced", "no sampling")
    assert decision.p is None
    assert decision.detail == "worst_error of glow 2e-06 against 0.0001"
    other = decided(evidence(), (ERROR, "<", {"number": 1e-6}))
    assert other == ("not reproduced", "no sampling")


def test_all_comparisons_must_hold() -> None:
    found = evidence(at=50, ijsat=60, normal=0)
    both = ((IJSAT, ">", AT), (AT, ">", NORMAL))
    assert decided(found, *both) == ("reproduced", "strong")
    one = ((IJSAT, ">", AT), (NORMAL, ">", AT))
    assert decided(found, *one) == ("not reproduced", "strong")


def test_the_weakest_comparison_decides_how_sure_a_claim_is() -> None:
    found = evidence(at=50, ijsat=50.5, normal=0)
    both = decide(claim((IJSAT, ">", AT), (AT, ">", NORMAL)), found, True)
    assert (both.verdict, both.strength) == ("reproduced", "within noise")
    assert both.p == pytest.approx(0.5)  # two images, both the same way


def test_several_seeds_count_by_their_mean() -> None:
    found = evidence(at=[50, 54], ijsat=[60, 62])
    decision = decide(claim((IJSAT, ">", AT)), found, True)
    assert (decision.verdict, decision.strength) == ("reproduced", "strong")
    assert "61.00 % against at under pgd20 52.00 %" in decision.detail
    assert "mean over 2 seeds, of which 2 agree" in decision.detail


def test_seeds_that_disagree_are_noise() -> None:
    found = evidence(at=[50, 50], ijsat=[80, 49])
    assert decided(found, (IJSAT, ">", AT)) == ("reproduced", "within noise")
    assert "of which 1 agree" in decide(claim((IJSAT, ">", AT)), found).detail


def test_one_seed_against_many_is_compared_by_the_mean() -> None:
    found = evidence(at=[50], ijsat=[60, 64])
    decision = decide(claim((IJSAT, ">", AT)), found, True)
    assert (decision.verdict, decision.strength) == ("reproduced", "strong")
    assert "62.00 %" in decision.detail


def test_what_was_not_run_says_why() -> None:
    decision = decide(claim(not_run="no AutoAttack"), evidence())
    assert decision == Decision("not run", detail="no AutoAttack")
    assert count([decision.verdict], papers_size=False) == {
        "at this scale: holds": 0,
        "at this scale: does not hold": 0,
        "not run": 1,
    }


def test_missing_evidence_is_named() -> None:
    with pytest.raises(PipelineError, match="no verdicts of at under pgd20"):
        decide(claim((AT, ">", NORMAL)), evidence())
    wrong = ERROR | {"metric": "worst_eror"}
    with pytest.raises(PipelineError, match="did you mean 'worst_error'"):
        decide(claim((wrong, "<", {"number": 1})), evidence())


@pytest.mark.parametrize(("ijsat", "word"), [(60, "holds"), (40, "does not hold")])
def test_a_smaller_scale_reproduces_nothing(ijsat: float, word: str) -> None:
    found = evidence(at=50, ijsat=ijsat)
    decision = decide(claim((IJSAT, ">", AT)), found, papers_size=False)
    assert decision.verdict == f"at this scale: {word}"
    assert decision.strength == "strong"
    assert not any("reproduced" in verdict for verdict in verdicts(papers_size=False))


GAIN = {**IJSAT, "less": {"defense": "at"}}


@pytest.mark.parametrize(
    ("ijsat", "expected"),
    [
        (70, ("reproduced", "strong")),
        (60.5, ("reproduced", "within noise")),
        (60, ("not reproduced", "within noise")),
        (52, ("not reproduced", "strong")),
    ],
)
def test_a_gain_of_so_many_points(ijsat: float, expected: tuple[str, str]) -> None:
    found = evidence(at=50, ijsat=ijsat)
    assert decided(found, (GAIN, ">", {"number": 10})) == expected
    said = decide(claim((GAIN, ">", {"number": 10})), found)
    assert said.p is None
    assert f"{ijsat - 50:.2f} points against 10" in said.detail


@pytest.mark.parametrize(
    ("ijsat", "expected"),
    [
        (50.5, ("reproduced", "strong")),
        (54.5, ("reproduced", "within noise")),
        (45.5, ("reproduced", "within noise")),
        (55, ("reproduced", "within noise")),
        (56, ("not reproduced", "within noise")),
        (70, ("not reproduced", "strong")),
        (30, ("not reproduced", "strong")),
    ],
)
def test_a_gap_within_so_many_points(ijsat: float, expected: tuple[str, str]) -> None:
    found = evidence(at=50, ijsat=ijsat)
    assert decided(found, (GAIN, "within", {"number": 5})) == expected


def several() -> Evidence:
    """Two threats that break other images: each leaves half, both leave nothing."""
    half = np.arange(400)[None] < 200
    outcomes = {("digits", "at", "pgd20"): half, ("digits", "at", "mia"): ~half}
    return Evidence(outcomes | {("digits", "ijsat", t): half for t in ("pgd20", "mia")})


def test_the_worst_case_is_taken_image_by_image() -> None:
    worst, mean = ({"defense": "at", key: ["pgd20", "mia"]} for key in KEYS)
    told = decide(
        claim((worst, "<", {"number": 1}), (mean, ">", worst)), several(), True
    )
    assert (told.verdict, told.strength) == ("reproduced", "strong")
    assert "at under the worst of pgd20, mia 0.00 %" in told.detail
    assert "at under the mean of pgd20, mia 50.00 %" in told.detail


KEYS = ("worst_of", "mean_of")


def test_the_best_of_all_rows() -> None:
    each = {"each_of": ["at", "normal"], **PGD}
    found = evidence(at=50, ijsat=60, normal=2)
    assert decided(found, (IJSAT, ">", each)) == ("reproduced", "strong")
    second = ((AT, "<", IJSAT), (AT, ">", NORMAL))
    assert decided(found, *second) == ("reproduced", "strong")
    tie = evidence(at=60, ijsat=60, normal=2)
    assert decided(tie, (IJSAT, ">", each)) == ("not reproduced", "within noise")
    behind = evidence(at=70, ijsat=60, normal=2)
    assert decided(behind, (IJSAT, ">", each)) == ("not reproduced", "strong")


def test_of_many_comparisons_those_against_are_told() -> None:
    names = [f"d{i}" for i in range(9)]
    found = evidence(ijsat=60, **dict.fromkeys(names[:8], 20), d8=70)
    told = decide(claim((IJSAT, ">", {"each_of": names, **PGD})), found)
    assert told.detail.startswith("8 of 9 comparisons hold; ijsat under pgd20 60.00 %")
    assert "d8" in told.detail
    assert "d7" not in told.detail


def test_a_comparison_speaks_of_each_threat_and_each_defense() -> None:
    content = {
        "left": {"each_of": ["a", "b"], "less": {"defense": "n"}},
        "relation": "within",
        "right": {"number": 3},
        "under": ["p", "q"],
    }
    found = Comparison.model_validate(content).each()
    told = [[(q.defense, q.threat) for q in one.quantities[:2]] for one in found]
    assert told == [[(d, t), ("n", t)] for t in ("p", "q") for d in ("a", "b")]


def test_what_is_taken_off_is_as_its_side_where_it_says_nothing() -> None:
    side = {"defense": "a", "mean_of": ["p", "q"], "less": {"threat": "r"}}
    content = {"left": side, "relation": ">", "right": {"number": 0}}
    (one,) = Comparison.model_validate(content).each()
    assert one.left.less is not None
    assert one.left.less.model_dump() == {"defense": "a", "threat": "r"}


def test_the_paper_s_own_numbers_bear_a_claim_out_or_not() -> None:
    printed = {(("digits", d, "pgd20"),): n for d, n in (("at", 50.0), ("ijsat", 53.0))}
    assert borne_out(claim((IJSAT, ">", AT)), printed) is True
    assert borne_out(claim((GAIN, ">", {"number": 4})), printed) is False
    assert borne_out(claim((GAIN, "within", {"number": 3})), printed) is True
    assert borne_out(claim((IJSAT, ">", NORMAL)), printed) is None
    assert borne_out(claim((IJSAT, ">", NORMAL), (AT, ">", IJSAT)), printed) is False
    assert borne_out(claim(not_run="no AutoAttack"), printed) is None
    printed |= {(("digits", "at.from-om-cifar10", "pgd20"),): 60.0}
    assert borne_out(claim((ELSEWHERE, ">", IJSAT)), printed) is True
    at, ijsat = ({"defense": name, **CORRUPTED} for name in ("at", "ijsat"))
    copies = [
        (("digits.fog", d, "clean"), ("digits.snow", d, "clean"))
        for d in ("at", "ijsat")
    ]
    assert borne_out(claim((at, ">", ijsat)), printed) is None
    assert (
        borne_out(
            claim((at, ">", ijsat)), printed | dict(zip(copies, (9, 8), strict=True))
        )
        is True
    )


ELSEWHERE = {**AT, "trained_on": "om-cifar10"}


def test_what_is_judged_on_another_data_set_is_found_under_its_origin() -> None:
    """Both the judging set and the one of the training may have stand-ins."""
    half = np.arange(400)[None] < 200
    outcomes = {
        ("digits", "at.from-om-digits", "pgd20"): ~half & (np.arange(400) < 390)
    }
    outcomes |= {("digits", name, "pgd20"): half for name in ("at", "ijsat")}
    used = {"cifar10": "digits", "om-cifar10": "om-digits"}
    found = Evidence(outcomes, stand_ins=used)
    lost = {**ELSEWHERE, "less": {"trained_on": "cifar10"}}
    here = {"dataset": "cifar10"}
    told = decide(claim((lost, "<", {"number": 0}), **here), found)
    assert (told.verdict, told.strength) == ("at this scale: holds", "within noise")
    assert "at trained on om-cifar10 under pgd20 less at" in told.detail
    assert "-2.50 points" in told.detail
    (one,) = claim((lost, "<", {"number": 0}), **here).comparisons
    jobs = [quantity.behind("digits", used) for quantity in one.quantities]
    assert jobs[:2] == [
        [("digits", "at.from-om-digits", "pgd20")],
        [("digits", "at", "pgd20")],
    ]
    with pytest.raises(PipelineError, match=r"at\.from-svhn under pgd20"):
        decide(claim(({**ELSEWHERE, "trained_on": "svhn"}, ">", AT)), found)


CORRUPTED = {"threat": "clean", "corruptions": ["fog", "snow"]}


def test_corrupted_images_count_by_the_mean_over_their_copies() -> None:
    """Forty images at five severities; fog breaks half of them from severity 3 on."""
    fog = np.ones((1, 5, 40), dtype=bool)
    fog[0, 2:, 20:] = False
    fine = np.ones((1, 200), dtype=bool)
    outcomes = {("digits.fog", "at", "clean"): fog.reshape(1, -1)}
    outcomes |= {("digits.snow", "at", "clean"): fine}
    outcomes |= {(f"digits.{c}", "ijsat", "clean"): fine for c in ("fog", "snow")}
    at, ijsat = ({"defense": name, **CORRUPTED} for name in ("at", "ijsat"))
    told = decide(claim((ijsat, ">", at)), Evidence(outcomes), papers_size=True)
    assert (told.verdict, told.strength) == ("reproduced", "strong")
    assert "at under clean, the mean over 2 corruptions 85.00 %" in told.detail
    number = decide(claim((at, "<", {"number": 90})), Evidence(outcomes))
    assert number.p is None  # an image is no longer right or wrong alone
    del outcomes["digits.snow", "at", "clean"]
    with pytest.raises(PipelineError, match=r"at under clean on digits\.snow"):
        decide(claim((ijsat, ">", at)), Evidence(outcomes))


def test_what_has_a_threat_of_its_own_is_not_corrupted_by_its_side() -> None:
    side = {"defense": "at", **CORRUPTED, "less": {"threat": "clean"}}
    (one,) = claim((side, "<", {"number": 0})).comparisons
    assert [len(quantity.corruptions) for quantity in one.quantities[:2]] == [2, 0]
    side["less"] = {"defense": "ijsat"}
    (one,) = claim((side, "<", {"number": 0})).comparisons
    assert [len(quantity.corruptions) for quantity in one.quantities[:2]] == [2, 2]
