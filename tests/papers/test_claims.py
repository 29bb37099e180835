"""A claim is decided by its comparisons, and says how sure that is."""

from typing import Any

import numpy as np
import pytest

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers.claims import Decision, Evidence, count, decide
from pipeline_steps.papers.spec import Claim

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
    return Evidence(outcomes, {"digits/glow": {"worst_error": 2e-6}})


def claim(*holds: tuple[dict[str, Any], str, dict[str, Any]], **more: Any) -> Claim:
    comparisons = [{"left": a, "relation": r, "right": b} for a, r, b in holds]
    content = {"name": "c", "place": "p", "says": "s", "dataset": "digits"}
    return Claim.model_validate(content | {"holds": comparisons} | more)


def decided(found: Evidence, *holds: Any) -> tuple[str, str]:
    decision = decide(claim(*holds), found)
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
    decision = decide(claim((ERROR, "<", {"number": 1e-4})), evidence())
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
    both = decide(claim((IJSAT, ">", AT), (AT, ">", NORMAL)), found)
    assert (both.verdict, both.strength) == ("reproduced", "within noise")
    assert both.p == pytest.approx(0.5)  # two images, both the same way


def test_several_seeds_count_by_their_mean() -> None:
    found = evidence(at=[50, 54], ijsat=[60, 62])
    decision = decide(claim((IJSAT, ">", AT)), found)
    assert (decision.verdict, decision.strength) == ("reproduced", "strong")
    assert "61.00 % against at under pgd20 52.00 %" in decision.detail
    assert "mean over 2 seeds" in decision.detail


def test_what_was_not_run_says_why() -> None:
    decision = decide(claim(not_run="no AutoAttack"), evidence())
    assert decision == Decision("not run", detail="no AutoAttack")
    assert count([decision])["not run"] == 1


def test_missing_evidence_is_named() -> None:
    with pytest.raises(PipelineError, match="no verdicts of at under pgd20"):
        decide(claim((AT, ">", NORMAL)), evidence())
    wrong = ERROR | {"metric": "worst_eror"}
    with pytest.raises(PipelineError, match="did you mean 'worst_error'"):
        decide(claim((wrong, "<", {"number": 1})), evidence())
