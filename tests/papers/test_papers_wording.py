"""Words are chosen from values, once, and whatever a value may be has words."""

from typing import get_args

import pytest

from pipeline_steps.core.registry import words
from pipeline_steps.evaluation.red_flags import Flag, Symptom
from pipeline_steps.evaluation.threat_relations import Reason
from pipeline_steps.papers import wording
from pipeline_steps.papers.forms.tidy import CLAIM_COLUMNS, claim_line
from pipeline_steps.papers.names import Names
from pipeline_steps.papers.results import Cell, DecidedClaim, Finding, Outcome
from pipeline_steps.papers.spec import Lost, Missing, NotRun
from pipeline_steps.papers.statistics import Interval


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_every_comparison_of_threats_has_a_sentence(reason: Reason) -> None:
    flag = Flag(
        kind=reason, threats=("pgd20", "clean"), accuracies=(90, 60.5), amount=20
    )
    before, _, why = wording.flag(flag).partition(": ")
    assert before == "pgd20 leaves 90.00 where clean leaves 60.50"
    assert why
    assert "{" not in why


@pytest.mark.parametrize(
    ("symptom", "amount", "clause"),
    [
        pytest.param(
            Symptom.UNSTABLE,
            None,
            "the defense gives different answers to the same image",
            id="unstable",
        ),
        pytest.param(
            Symptom.NO_GRADIENT,
            0.25,
            "the loss has no gradient at 25 % of the images probed",
            id="no gradient",
        ),
        pytest.param(
            Symptom.UNSEEN_INFERENCE,
            None,
            "the defense optimises at inference, and the attack does not see it",
            id="unseen inference",
        ),
        pytest.param(
            Symptom.PROBABILITIES,
            None,
            "the defense answers with probabilities, not with logits",
            id="probabilities",
        ),
        pytest.param(
            Symptom.BROKEN_BLINDLY,
            5,
            "Square breaks 5.00 points that gradient attacks had left",
            id="broken blindly",
        ),
    ],
)
def test_what_cards_show_is_a_clause_with_its_number(
    symptom: Symptom, amount: float | None, clause: str
) -> None:
    flag = Flag(kind=symptom, threats=("pgd20",), amount=amount)
    assert wording.flag(flag) == clause


@pytest.mark.parametrize("kind", Missing, ids=str)
def test_whatever_is_missing_says_why(kind: Missing) -> None:
    quoted = kind in (Missing.ROW, Missing.COLUMN, Missing.OTHER_ROW)
    why = NotRun(kind=kind, reason="quoted" if quoted else None, measured=1, columns=2)
    cell = Cell(method="AT", column="PGD-20", published=1.0, not_run=why)
    words = wording.not_run(cell)
    assert words
    assert (words == "quoted") is quoted
    assert wording.remarks(cell) == [f"not run: {words}"]


@pytest.mark.parametrize("lost", get_args(Lost))
def test_a_lost_number_says_so(lost: Lost) -> None:
    cell = Cell(method="AT", column="PGD-20", published=1.0, lost=lost)
    (clause,) = wording.remarks(cell)
    assert clause.startswith("printed number was lost")


def test_remarks_come_in_one_order() -> None:
    cell = Cell(
        method="AT",
        column="Avg",
        published=70.0,
        printed_mean=67.0,
        lost="inferred",
        notes=("a; note",),
        flags=(Flag(kind=Symptom.UNSTABLE, threats=("pgd20",)),),
    )
    assert [words.split()[0] for words in wording.remarks(cell)] == [
        "red",
        "a;",
        "printed",
        "published",
    ]


@pytest.mark.parametrize("outcome", Outcome, ids=str)
def test_every_outcome_has_words_and_a_sign(outcome: Outcome) -> None:
    assert wording.OUTCOMES[outcome]
    assert wording.SIGNS[outcome]


def test_a_claim_s_line_keeps_its_bytes() -> None:
    comparison = {
        "left": {"defense": "ijsat", "threat": "pgd20"},
        "relation": ">",
        "right": {"defense": "at", "threat": "pgd20", "trained_on": "om-digits"},
    }
    finding = {
        **{"comparison": comparison, "left": 61.166, "right": 54.0, "p": 1e-5},
        **{"outcome": "holds", "interval": (3.0, 11.25), "paired": True},
        **{"trainings": 3, "agreeing": 2},
    }
    claim = DecidedClaim(
        paper="ijsat",
        claim="resists",
        place="Table 1",
        says="it resists",
        ours=False,
        outcome=Outcome.HOLDS,
        trainings=3,
        papers_size=True,
        p=1e-5,
        findings=(Finding.model_validate(finding),),
        printed=None,
    )
    line = claim_line(claim)
    assert tuple(sorted(line)) == tuple(sorted(CLAIM_COLUMNS))
    assert line == {
        "paper": "ijsat",
        "claim": "resists",
        "place": "Table 1",
        "says": "it resists",
        "ours": "false",
        "outcome": "holds",
        "trainings": 3,
        "papers_size": "true",
        "p": "1e-05",
        "detail": "ijsat under pgd20 61.17 % against at trained on om-digits under pgd20 "
        "54.00 %: difference +7.17 [+3.00, +11.25], mean over 3 seeds, 2 of which agree",
        "printed": None,
    }


@pytest.mark.parametrize(
    ("number", "low", "high", "shown"),
    [
        pytest.param(74.397, 70.69, 78.11, "74.4", id="a wide interval"),
        pytest.param(94.689, 94.5, 94.9, "94.69", id="a narrow one"),
    ],
)
def test_a_number_has_as_many_digits_as_its_interval_lets_count(
    number: float, low: float, high: float, shown: str
) -> None:
    assert wording.rounded(number, Interval(low, high)) == shown


@pytest.mark.parametrize(
    ("difference", "shown"),
    [
        pytest.param(24.55, "+24.6", id="more"),
        pytest.param(-57.3, "−57.3", id="less"),
        pytest.param(-0.03, "0.0", id="as good as none"),
    ],
)
def test_a_difference_has_a_sign_if_it_is_one(difference: float, shown: str) -> None:
    assert wording.signed(difference) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        pytest.param(0.39215, "0.392", id="a share"),
        pytest.param(66410, "66,410", id="a count"),
        pytest.param(5.96e-07, "5.96e-07", id="next to nothing"),
    ],
)
def test_a_plain_number_has_no_digits_that_say_nothing(
    number: float, shown: str
) -> None:
    assert wording.plain_number(number) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        pytest.param(0.7312, "p = 0.73", id="large"),
        pytest.param(2e-9, "p < 0.001", id="small"),
    ],
)
def test_a_p_value_is_said_as_people_say_it(p: float, shown: str) -> None:
    assert wording.p_value(p) == shown


NAMES = Names(
    datasets={"om-digits": "OM-digits"},
    defenses={"at": "AT"},
    threats={"pgd20": "PGD-20"},
)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        pytest.param("at", "AT", id="a defense"),
        pytest.param("at@1", "AT, seed 1", id="of another seed"),
        pytest.param("at@1.best", "AT, seed 1, best weights", id="its best weights"),
        pytest.param(
            "at.from-om-digits", "AT, trained on OM-digits", id="trained elsewhere"
        ),
        pytest.param("new", "new", id="without a name for people"),
    ],
)
def test_a_defense_is_called_as_people_call_it(label: str, shown: str) -> None:
    assert NAMES.defense(label) == shown


def test_a_flag_names_threats_as_people_do() -> None:
    flag = Flag(kind=Reason.HELPS, threats=("pgd20", "clean"), accuracies=(90, 60))
    assert wording.flag(flag, NAMES).startswith("PGD-20 leaves 90.00 where clean")


@pytest.mark.parametrize("word", words("figure"))
def test_every_kind_of_figure_says_what_is_to_be_seen(word: str) -> None:
    shows = wording.picture(word, ["AT", "IJSAT"], ["PGD-20"])
    assert shows.endswith(": AT and IJSAT; under PGD-20.")
    assert "of the kind" not in shows
