"""What ATLD's tables, figures and claims ask for, beside what their papers and code say."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.jobs.report_inputs import panels
from pipeline_steps.jobs.specs import Specs


@pytest.fixture(scope="module")
def plan():
    return Specs(load_config("paper"))


def test_fgsm_starts_at_random_as_in_the_code(plan):
    """Both repositories' `config_fgsm`; a transferred one too. JAT's starts at the image."""
    tables = plan.config.papers["atld"].tables
    columns = {
        column.threat
        for table in tables.values()
        for column in table.columns
        if column.name == "FGSM"
    }
    assert columns == {
        "fgsm-random",
        "fgsm-random-from-normal",
        "fgsm-random-from-at",
        "cla+d-fgsm",
        "cla-d-fgsm",
    }
    for name in columns:
        spec = plan.threat(name, "cifar10").model_dump()
        while "edit" not in spec or "first" in spec:
            spec = spec.get("first") or spec["threat"]
        # Their Attack_PGD takes the first gradient where the noise leads, in [0, 1] or not.
        assert (spec["edit"]["start_at"], spec["steps"]) == ("unclipped", 1), name
        assert spec["edit"]["step_size"] == spec["edit"]["epsilon"], name
    (jat,) = (c for c in plan.config.papers["jat"].tables["table1"].columns[1:2])
    assert plan.threat(jat.threat, "cifar10").edit["start_at"] == "zero"


def test_all_that_is_trained_on_svhn_begins_at_the_same_rate(plan):
    """JAT 6 and ATLD's script: a tenth of what it is on CIFAR."""
    rates = {}
    for paper in ("atld", "jat"):
        for table in plan.config.papers[paper].tables.values():
            for row in table.rows:
                if row.defense and (row.dataset or table.dataset) == "svhn":
                    schedule = plan.defense("svhn", row.defense).schedule
                    rates[row.defense] = schedule.learning_rate
    assert {name for name in rates if name.startswith("trades")} == {"trades-svhn"}
    assert set(rates.values()) == {0.01}, rates
    for name in ("trades-released", "feature-scattering", "bilateral"):
        there, here = (
            plan.defense("svhn", other) for other in (name, f"{short(name)}-svhn")
        )
        assert there.schedule.learning_rate == 0.1, "the other is one name away"
        cooler = there.schedule.model_copy(update={"learning_rate": 0.01})
        assert (here.schedule, here.recipe) == (cooler, there.recipe)


def short(name):
    return name.removesuffix("-released")


def test_a_decision_attack_asks_the_defense_that_is_deployed(plan):
    table = plan.config.papers["atld"].tables["table4"]
    (rays,) = (column for column in table.columns if column.name == "RayS")
    spec = plan.threat(rays.threat, "cifar10").model_dump()
    assert spec["attack"] == "adaptive"
    assert spec["threat"] == plan.threat("rays40k", "cifar10").model_dump()
    assert "queries the whole defense" in rays.note


def test_a_column_of_ours_is_measured_where_nothing_is_printed(plan):
    spec = plan.pages.table("atld", "table5")
    (place,) = (i for i, column in enumerate(spec.columns) if column.ours)
    for row in spec.rows:
        assert row.published[place] is None
        (behind,) = spec.behind(row, place)
        assert behind == (spec.used(row), row.defense, "worst-adaptive")
    theirs = spec.columns[place].model_copy(update={"ours": False})
    columns = [*spec.columns[:place], theirs]
    assert (
        spec.model_copy(update={"columns": columns}).behind(spec.rows[0], place) == []
    )


def test_imt_is_claimed_against_the_worst_of_both_boxes(plan):
    claim = {c.name: c for c in plan.config.papers["atld"].claims}[
        "imt-survives-its-own-gradient"
    ]
    ensemble = plan.threat("worst-adaptive", "cifar10").model_dump()
    assert {one.threat for one in claim.quantities if one.threat} == {
        "worst-adaptive",
        "pgd100-1000",
    }
    parts = {name: part["attack"] for name, part in ensemble["parts"].items()}
    assert parts["gray"] == "ascent"
    assert {*parts.values()} == {"ascent", "adaptive", "softened"}
    inside = {part.get("threat", part)["attack"] for part in ensemble["parts"].values()}
    assert inside == {"ascent", "square", "rays"}
    images = {
        plan.attack("cifar10", "atld", name).images
        for name in ("worst-adaptive", "pgd100-1000")
    }
    assert images == {1000}, "or the two could not be paired"


def test_figure4_has_all_three_data_sets_of_the_text(plan):
    told = {names["dataset"] for _, names in panels(plan, "atld", "figure4")}
    assert told == {"cifar10", "cifar100", "svhn"}


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        ("figure-variants", "cifar10/atld-paper-/clean"),
        ("figure-variants", "cifar10/atld-running-/pgd20"),
        ("figure-directions", "cifar10/atld/d20-hidden"),
        ("figure-directions", "cifar10/atld+/cla+d-hidden20"),
    ],
)
def test_what_is_only_a_reading_of_the_paper_has_a_page(plan, figure, shown):
    drawn = panels(plan, "atld", figure)
    assert ("verdicts", shown.split("/")) in [(w, [*n.values()]) for w, n in drawn]


def test_fifteen_of_eighteen_transferred_attacks_are_claimed(plan):
    """As the printed table has them: ahead of both rivals in all but three columns."""
    content = plan.config.papers["atld"]
    table, claims = content.tables["table3"], content.claims
    claimed = {
        (claim.dataset, one.left.threat)
        for claim in claims
        if claim.name.startswith("atld-resists-transferred")
        for one in claim.comparisons
    }
    ahead = set()
    for row in (row for row in table.rows if row.name == "ATLD+"):
        dataset = row.dataset or table.dataset
        rivals = [
            other.published
            for other in table.rows
            if other.part == row.part and other.name in ("AT", "TRADES")
        ]
        for i, column in enumerate(table.columns):
            if all(row.published[i] > rival[i] for rival in rivals):
                ahead.add((dataset, column.threat))
    assert len(ahead) == 15
    assert claimed == ahead
