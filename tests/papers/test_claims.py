"""A claim is decided by its comparisons, and says how sure that is."""

from typing import Any

import numpy as np
import pytest

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers.claim import Claim, Comparison
from pipeline_steps.papers.claims import Decision, decide
from pipeline_steps.papers.evidence import Evidence
from pipeline_steps.papers.printed import borne_out
from pipeline_steps.papers.results import DecidedClaim, Finding, Outcome
from pipeline_steps.papers.wording import comparisons, verdict

PGD = {"threat": "pgd20"}
AT, IJSAT, NORMAL = ({"defense": name, **PGD} for name in ("at", "ijsat", "normal"))
ERROR = {"manifold": "glow", "metric": "worst_error"}


def evidence(**accuracies: float | list[float]) -> Evidence:
    """Made-up accuracies under PGD-20 on 400 images; harder ones fail first."""
    order = np.arange(400)
    outcomes = {
        ("digits", name, "pgd20"): np.stack(
            [order < a * 4 for a in (seeds if isinstance(seeds, list) else [seeds])]
        )
        for name, seeds in accuracies.items()
    }
    return Evidence(outcomes, manifolds={"digits/glow": {"worst_error": 2e-6}})


def claim(*holds: tuple[dict[str, Any], str, dict[str, Any]], **more: Any) -> Claim:
    comparisons = [{"left": a, "relation": r, "right": b} for a, r, b in holds]
    content = {"name": "c", "place": "p", "says": "s", "dataset": "digits"}
    return Claim.model_validate(content | {"holds": comparisons} | more)


def decided(numbers: Evidence, *holds: Any) -> Outcome:
    return decide(claim(*holds), numbers).outcome


def only(decision: Decision) -> Finding:
    """What became of a claim's only comparison."""
    (finding,) = decision.findings
    return finding


def text(decision: Decision) -> str:
    return comparisons(decision.outcome, decision.findings)


HOLDS, FAILS = Outcome.HOLDS, Outcome.FAILS
INCONCLUSIVE, NOT_RUN = Outcome.INCONCLUSIVE, Outcome.NOT_RUN


@pytest.mark.parametrize(
    ("ijsat", "expected"),
    [
        pytest.param(60, HOLDS, id="ahead"),
        pytest.param(50.5, INCONCLUSIVE, id="ahead by chance"),
        pytest.param(50, INCONCLUSIVE, id="equal"),
        pytest.param(49.5, INCONCLUSIVE, id="behind by chance"),
        pytest.param(40, FAILS, id="behind"),
    ],
)
def test_two_accuracies(ijsat: float, expected: Outcome) -> None:
    assert decided(evidence(at=50, ijsat=ijsat), (IJSAT, ">", AT)) == expected
    assert decided(evidence(at=50, ijsat=ijsat), (AT, "<", IJSAT)) == expected


@pytest.mark.parametrize(
    ("normal", "expected"),
    [
        pytest.param(0, HOLDS, id="below"),
        pytest.param(1.5, INCONCLUSIVE, id="about the number"),
        pytest.param(20, FAILS, id="above"),
    ],
)
def test_an_accuracy_and_a_number(normal: float, expected: Outcome) -> None:
    numbers = evidence(normal=normal)
    assert decided(numbers, (NORMAL, "<", {"number": 2})) == expected
    assert decided(numbers, ({"number": 2}, ">", NORMAL)) == expected


def test_an_error_and_a_number() -> None:
    decision = decide(claim((ERROR, "<", {"number": 1e-4})), evidence())
    assert (decision.outcome, decision.trainings, decision.p) == (HOLDS, 1, None)
    assert (only(decision).left, only(decision).right) == (2e-6, 1e-4)
    assert text(decision) == "worst_error of glow 2e-06 against 0.0001"
    assert decided(evidence(), (ERROR, "<", {"number": 1e-6})) == FAILS


def test_all_comparisons_must_hold() -> None:
    numbers = evidence(at=50, ijsat=60, normal=0)
    both = ((IJSAT, ">", AT), (AT, ">", NORMAL))
    assert decided(numbers, *both) == HOLDS
    one = ((IJSAT, ">", AT), (NORMAL, ">", AT))
    assert decided(numbers, *one) == FAILS


def test_the_weakest_comparison_decides_how_sure_a_claim_is() -> None:
    numbers = evidence(at=50, ijsat=50.5, normal=0)
    both = decide(claim((IJSAT, ">", AT), (AT, ">", NORMAL)), numbers)
    assert both.outcome == INCONCLUSIVE
    assert both.p == pytest.approx(0.5)  # two images, both the same way


def test_one_comparison_that_fails_decides_though_another_is_open() -> None:
    numbers = evidence(at=50, ijsat=50.5, normal=0)
    assert decided(numbers, (IJSAT, ">", AT), (NORMAL, ">", AT)) == FAILS


THREE, OURS = (53.0, 55.0, 54.0), (60.0, 62.0, 61.5)


@pytest.mark.parametrize(
    ("ijsat", "expected"),
    [
        pytest.param([60, 62, 61], HOLDS, id="ahead"),
        pytest.param([46, 48, 47], FAILS, id="behind"),
        pytest.param([54, 55, 54.5], INCONCLUSIVE, id="half a point"),
        pytest.param(
            [75, 49, 58], INCONCLUSIVE, id="far ahead on average and once behind"
        ),
        pytest.param([66, 56, 55], INCONCLUSIVE, id="ahead by 13 points and by 1"),
    ],
)
def test_three_trainings(ijsat: list[float], expected: Outcome) -> None:
    decision = decide(claim((IJSAT, ">", AT)), evidence(at=[*THREE], ijsat=ijsat))
    assert (decision.outcome, decision.trainings) == (expected, 3)


def test_several_seeds_count_by_their_mean_and_by_their_spread() -> None:
    """Differences of 7, 7 and 7.5 points: a spread of 0.29, and Student's factor 4.30."""
    numbers = evidence(at=[*THREE], ijsat=[*OURS])
    decision = decide(claim((IJSAT, ">", AT)), numbers)
    finding = only(decision)
    assert (finding.left, finding.right) == pytest.approx((61.17, 54), abs=0.005)
    assert (finding.paired, finding.trainings, finding.agreeing) == (True, 3, 3)
    assert "61.17 % against at under pgd20 54.00 %" in text(decision)
    assert "mean over 3 seeds, 3 of which agree" in text(decision)
    assert finding.interval is not None
    low, high = finding.interval
    order = np.arange(400)
    right = {d: [order < 4 * a for a in s] for d, s in (("at", THREE), ("ijsat", OURS))}
    each = np.mean(right["ijsat"], axis=0) - np.mean(right["at"], axis=0)
    by_images = 1.96 * 100 * float(each.std()) / 400**0.5
    half = (by_images**2 + (4.303 * 0.2887 / 3**0.5) ** 2) ** 0.5
    assert (high - low) / 2 == pytest.approx(half, rel=0.05)


def test_seeds_that_disagree_are_inconclusive() -> None:
    assert decided(evidence(at=[50, 50], ijsat=[80, 49]), (IJSAT, ">", AT)) == (
        INCONCLUSIVE
    )
    decision = decide(claim((IJSAT, ">", AT)), evidence(at=[50, 50], ijsat=[80, 49]))
    assert only(decision).agreeing == 1


def test_one_training_against_many_is_one_training() -> None:
    numbers = evidence(at=[50], ijsat=[60, 64, 62])
    decision = decide(claim((IJSAT, ">", AT)), numbers)
    assert (decision.outcome, decision.trainings) == (HOLDS, 1)
    assert only(decision).left == pytest.approx(62)


@pytest.mark.parametrize(
    ("outcome", "trainings", "papers_size", "words"),
    [
        pytest.param(
            HOLDS, 3, True, "reproduced", id="holds, three at the papers' size"
        ),
        pytest.param(
            FAILS, 5, True, "not reproduced", id="fails, five at the papers' size"
        ),
        pytest.param(
            HOLDS,
            2,
            True,
            "holds, two trainings only",
            id="holds, two at the papers' size",
        ),
        pytest.param(
            HOLDS,
            1,
            True,
            "holds, one training only",
            id="holds, one at the papers' size",
        ),
        pytest.param(
            FAILS,
            1,
            True,
            "does not hold, one training only",
            id="fails, one at the papers' size",
        ),
        pytest.param(
            INCONCLUSIVE,
            3,
            True,
            "inconclusive",
            id="inconclusive, three at the papers' size",
        ),
        pytest.param(
            INCONCLUSIVE,
            1,
            True,
            "inconclusive, one training only",
            id="inconclusive, one at the papers' size",
        ),
        pytest.param(
            NOT_RUN, None, True, "not run", id="not run, no at the papers' size"
        ),
        pytest.param(
            HOLDS, 3, False, "holds at this scale", id="holds, three at a small scale"
        ),
        pytest.param(
            FAILS,
            1,
            False,
            "does not hold at this scale, one training only",
            id="fails, one at a small scale",
        ),
        pytest.param(
            NOT_RUN, None, False, "not run", id="not run, no at a small scale"
        ),
    ],
)
def test_only_three_trainings_at_the_papers_size_reproduce(
    outcome: Outcome, trainings: int | None, papers_size: bool, words: str
) -> None:
    decided = DecidedClaim(
        paper="ijsat",
        claim="c",
        place="p",
        says="s",
        ours=False,
        outcome=outcome,
        trainings=trainings,
        papers_size=papers_size,
    )
    assert verdict(decided.verdict) == words
    reproduced = words in ("reproduced", "not reproduced")
    assert decided.verdict.is_reproduction is reproduced


def test_what_was_not_run_rests_on_nothing() -> None:
    decision = decide(claim(not_run="no AutoAttack"), evidence())
    assert decision == Decision(NOT_RUN)


def test_missing_evidence_is_named() -> None:
    with pytest.raises(PipelineError, match="no verdicts of at under pgd20"):
        decide(claim((AT, ">", NORMAL)), evidence())
    wrong = ERROR | {"metric": "worst_eror"}
    with pytest.raises(PipelineError, match="did you mean 'worst_error'"):
        decide(claim((wrong, "<", {"number": 1})), evidence())


GAIN = {**IJSAT, "less": {"defense": "at"}}


@pytest.mark.parametrize(
    ("ijsat", "expected"),
    [
        pytest.param(70, HOLDS, id="more"),
        pytest.param(60.5, INCONCLUSIVE, id="about as many"),
        pytest.param(60, INCONCLUSIVE, id="just as many"),
        pytest.param(52, FAILS, id="fewer"),
    ],
)
def test_a_gain_of_so_many_points(ijsat: float, expected: Outcome) -> None:
    numbers = evidence(at=50, ijsat=ijsat)
    assert decided(numbers, (GAIN, ">", {"number": 10})) == expected
    decision = decide(claim((GAIN, ">", {"number": 10})), numbers)
    assert decision.p is None
    assert only(decision).left == pytest.approx(ijsat - 50)
    assert f"{ijsat - 50:.2f} points against 10" in text(decision)


@pytest.mark.parametrize(
    ("ijsat", "expected"),
    [
        pytest.param(50.5, HOLDS, id="within"),
        pytest.param(54.5, INCONCLUSIVE, id="near the upper end"),
        pytest.param(45.5, INCONCLUSIVE, id="near the lower end"),
        pytest.param(55, INCONCLUSIVE, id="at the upper end"),
        pytest.param(56, INCONCLUSIVE, id="just above"),
        pytest.param(70, FAILS, id="above"),
        pytest.param(30, FAILS, id="below"),
    ],
)
def test_a_gap_within_so_many_points(ijsat: float, expected: Outcome) -> None:
    numbers = evidence(at=50, ijsat=ijsat)
    assert decided(numbers, (GAIN, "within", {"number": 5})) == expected


def several() -> Evidence:
    """Two threats that break other images: each leaves half, both leave nothing."""
    half = np.arange(400)[None] < 200
    outcomes = {("digits", "at", "pgd20"): half, ("digits", "at", "mia"): ~half}
    return Evidence(outcomes | {("digits", "ijsat", t): half for t in ("pgd20", "mia")})


def test_the_worst_case_is_taken_image_by_image() -> None:
    worst, mean = ({"defense": "at", key: ["pgd20", "mia"]} for key in KEYS)
    decision = decide(claim((worst, "<", {"number": 1}), (mean, ">", worst)), several())
    assert decision.outcome == HOLDS
    assert "at under the worst of pgd20, mia 0.00 %" in text(decision)
    assert "at under the mean of pgd20, mia 50.00 %" in text(decision)


KEYS = ("worst_of", "mean_of")


def test_the_best_of_all_rows() -> None:
    each = {"each_of": ["at", "normal"], **PGD}
    numbers = evidence(at=50, ijsat=60, normal=2)
    assert decided(numbers, (IJSAT, ">", each)) == HOLDS
    second = ((AT, "<", IJSAT), (AT, ">", NORMAL))
    assert decided(numbers, *second) == HOLDS
    tie = evidence(at=60, ijsat=60, normal=2)
    assert decided(tie, (IJSAT, ">", each)) == INCONCLUSIVE
    behind = evidence(at=70, ijsat=60, normal=2)
    assert decided(behind, (IJSAT, ">", each)) == FAILS


def test_of_many_comparisons_those_against_are_told() -> None:
    names = [f"d{i}" for i in range(9)]
    numbers = evidence(ijsat=60, **dict.fromkeys(names[:8], 20), d8=70)
    decision = decide(claim((IJSAT, ">", {"each_of": names, **PGD})), numbers)
    assert text(decision).startswith(
        "of 9 comparisons 8 hold, 1 does not hold; ijsat under pgd20 60.00 %"
    )
    assert "d8" in text(decision)
    assert "d7" not in text(decision)


def test_a_comparison_speaks_of_each_threat_and_each_defense() -> None:
    content = {
        "left": {"each_of": ["a", "b"], "less": {"defense": "n"}},
        "relation": "within",
        "right": {"number": 3},
        "under": ["p", "q"],
    }
    each = Comparison.model_validate(content).each()
    pairs = [[(q.defense, q.threat) for q in one.quantities[:2]] for one in each]
    assert pairs == [[(d, t), ("n", t)] for t in ("p", "q") for d in ("a", "b")]


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
    numbers = Evidence(outcomes, stand_ins=used)
    lost = {**ELSEWHERE, "less": {"trained_on": "cifar10"}}
    here = {"dataset": "cifar10"}
    decision = decide(claim((lost, "<", {"number": 0}), **here), numbers)
    assert decision.outcome == INCONCLUSIVE
    assert "at trained on om-cifar10 under pgd20 less at" in text(decision)
    assert "-2.50 points" in text(decision)
    (one,) = claim((lost, "<", {"number": 0}), **here).comparisons
    jobs = [quantity.behind("digits", used) for quantity in one.quantities]
    assert jobs[:2] == [
        [("digits", "at.from-om-digits", "pgd20")],
        [("digits", "at", "pgd20")],
    ]
    with pytest.raises(PipelineError, match=r"at\.from-svhn under pgd20"):
        decide(claim(({**ELSEWHERE, "trained_on": "svhn"}, ">", AT)), numbers)


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
    decision = decide(claim((ijsat, ">", at)), Evidence(outcomes))
    assert decision.outcome == HOLDS
    assert "at under clean, the mean over 2 corruptions 85.00 %" in text(decision)
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
