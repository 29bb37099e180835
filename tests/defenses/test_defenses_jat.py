"""JAT's trainings are its paper's, at the papers' size (docs/methods/jat.md#training)."""

from itertools import product

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.jobs.specs import Specs

RANDOM = {"objective": "targeted", "target": "random"}


@pytest.fixture(scope="module")
def paper():
    return Specs(load_config("paper"))


def parts(threat):
    """Every edit that a threat is made of, with its steps."""
    if "parts" in threat:
        return [edit for part in threat["parts"] for edit in parts(part)]
    edit = threat["edit"]
    return edit.get("parts", [edit])


def budgets(threat):
    return {
        p["perturbation"]: (round(p["epsilon"], 6), round(p["step_size"], 6))
        for p in parts(threat)
    }


PIXEL = round(8 / 255, 6)
ONE_STEP = {
    "jat-pixel": ("ascent", ["pixel"]),
    "jat-spatial": ("ascent", ["warp"]),
    "jat": ("in_turn", ["warp", "pixel"]),
    "jat-ps": ("in_turn", ["pixel", "warp"]),
    "jat-one-pass": ("together", ["warp", "pixel"]),
    "jat-cascade": ("cascade", ["warp", "pixel"]),
}


@pytest.mark.parametrize("name", ONE_STEP)
def test_a_one_step_training_is_bilateral_s_with_its_own_threat(paper, name):
    spec = paper.defense("cifar10", name)
    threat = spec.recipe["threat"]
    kind, order = ONE_STEP[name]
    told = threat.get("edit", {}).get("perturbation", threat["attack"])
    assert told == kind or kind == "ascent"
    assert [part["perturbation"] for part in parts(threat)] == order
    full = {"pixel": (PIXEL, PIXEL), "warp": (0.3, 0.3)}
    assert budgets(threat) == {word: full[word] for word in order}
    steps = threat.get("parts", [threat])
    assert [(t["steps"], t["objective"]) for t in steps] == [(1, RANDOM)] * len(steps)
    assert (spec.recipe["recipe"], spec.recipe["beta"]) == ("bilateral", 9.0)
    # JAT 5: 300 epochs are for spatial attacks; without them it is Bilateral's method.
    epochs = 300 if "warp" in order else 201
    assert (spec.schedule.epochs, spec.schedule.drops) == (epochs, [100, 150])


@pytest.mark.parametrize(
    ("dataset", "table", "name", "rate"),
    [
        ("cifar10", "table1", "bilateral", 0.1),
        ("cifar100", "table6", "bilateral", 0.1),
        ("svhn", "table7", "bilateral-svhn", 0.01),
    ],
)
def test_one_step_pixel_is_bilateral_s_method(paper, dataset, table, name, rate):
    """JAT 5 says so; its code goes for the most confusing class, for 201 epochs."""
    content = paper.config.papers["jat"].tables[table]
    assert content.dataset == dataset
    assert name in [row.defense for row in content.rows if row.printed]
    spec = paper.defense(dataset, name)
    objective = {"objective": "targeted", "target": "likeliest"}
    assert spec.recipe["threat"]["objective"] == objective
    assert (spec.schedule.epochs, spec.schedule.batch) == (201, 128)
    assert spec.schedule.learning_rate == rate


def test_random_targets_are_the_second_row(paper):
    rows = paper.config.papers["jat"].tables["table1"].rows
    (second,) = [row for row in rows if row.defense == "jat-pixel"]
    assert not second.printed
    recipes = [paper.defense("cifar10", n).recipe for n in ("jat-pixel", "bilateral")]
    assert recipes[0]["threat"]["objective"] == RANDOM
    for recipe in recipes:
        del recipe["threat"]
    assert recipes[0] == recipes[1]


def test_no_schedule_has_the_name_of_a_training_of_jat_that_has_another(paper):
    config = paper.config.defenses
    for name in config.schedules.keys() & config.defenses.keys():
        if name.startswith("jat"):
            assert config.defenses[name].schedule == name


def test_the_undefended_model_of_table_5_is_natural_of_table_1(paper):
    """A WRN as the rest of JAT, where ATLD's transfers come from IJSAT's ResNet-18."""
    columns = paper.config.papers["jat"].tables["table5"].columns
    threats = [c.threat for c in columns if c.part == "Undefended"]
    assert len(threats) == 4
    for threat in threats:
        told = paper.threat(threat, "cifar10").model_dump()
        assert told["crafted_on"]["defense"] == "jat-natural"
    network = paper.defense("cifar10", "jat-natural").architecture
    assert network == paper.defense("cifar10", "jat").architecture


def test_titles_name_the_table_that_a_defense_for_svhn_stands_in(paper):
    defenses = paper.config.defenses.defenses
    rows = paper.config.papers["jat"].tables["table7"].rows
    for name in {row.defense for row in rows} | {"jat-pixel-svhn"}:
        assert "table 7" in defenses[name].title


@pytest.mark.parametrize(
    ("name", "steps", "expected"),
    [
        ("jat-spatial-multi", 5, {"warp": (0.3, 0.1)}),
        ("jat-multi", 5, {"warp": (0.3, 0.1), "pixel": (PIXEL, round(2 / 255, 6))}),
        ("jat-pixel-multi", 7, {"pixel": (PIXEL, round(2 / 255, 6))}),
    ],
)
def test_multi_step_trainings(paper, name, steps, expected):
    threat = paper.defense("cifar10", name).recipe["threat"]
    assert threat["steps"] == steps
    assert budgets(threat) == expected
    assert (threat["objective"] == RANDOM) == (name != "jat-pixel-multi")


@pytest.mark.parametrize(("x", "w"), [*product((2, 4, 6, 8), (1, 2, 3))])
def test_the_grid_of_budgets_has_twelve_cells(paper, x, w):
    name = "jat" if (x, w) == (8, 3) else f"jat-{x}-{w}"
    spec, whole = paper.defense("cifar10", name), paper.defense("cifar10", "jat")
    pixel = round(x / 255, 6)
    assert budgets(spec.recipe["threat"]) == {
        "warp": (w / 10, w / 10),
        "pixel": (pixel, pixel),
    }
    plain = {k: v for k, v in spec.recipe.items() if k != "threat"}
    assert plain == {k: v for k, v in whole.recipe.items() if k != "threat"}
    assert (spec.schedule, spec.architecture) == (whole.schedule, whole.architecture)


@pytest.mark.parametrize(
    "name", ["jat-svhn", "jat-pixel-svhn", "jat-pixel-multi-svhn", "bilateral-svhn"]
)
def test_svhn_is_learned_at_a_tenth_of_the_rate(paper, name):
    other = name.removesuffix("-svhn")
    schedules = [paper.defense("svhn", n).schedule for n in (name, other)]
    assert schedules[0] == schedules[1].model_copy(update={"learning_rate": 0.01})
    recipes = [paper.defense("svhn", n).recipe for n in (name, other)]
    assert recipes[0] == recipes[1]
