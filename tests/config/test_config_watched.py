"""A defense that is watched while it is trained, and its best weights by name."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.inputs import Taken
from pipeline_steps.jobs.planned import Planner
from pipeline_steps.jobs.report_inputs import cards_in_report
from pipeline_steps.jobs.specs import Specs

WATCHED = {"threat": "pgd20", "every": 2, "images": 40}


@pytest.fixture
def watched(edit):
    edit("defenses", "defenses.at.monitor", WATCHED)
    return edit


def test_the_best_weights_are_judged_by_name(watched, config_root):
    watched("papers/ijsat", "tables.table1.rows.1.defense", "at.best")
    watched("scales/demo", "pages.ijsat.table1.defenses", ["normal", "at.best"])
    watched("scales/demo", "seeds", [0, 1])
    jobs = Planner("demo", config_root)
    plan = jobs.specs
    runs = plan.pages.table("ijsat", "table1").runs
    labels = {plan.pages.label(run) for run in runs if run.defense.startswith("at")}
    assert labels == {"at.best", "at@1.best"}
    assert plan.attack("digits", "at@1.best", "clean").weights == "best"
    assert plan.attack("digits", "at@1.best", "clean").seed == 1
    assert plan.attack("digits", "at", "clean").weights == "last"
    cards = cards_in_report(plan)
    assert "results/demo/cards/defenses/digits/at.json" in cards
    assert not any(card.endswith("defenses/digits/at.best.json") for card in cards)

    def files(defense):
        names = ("digits", defense, "clean")
        weights = jobs.job("attack_defense", *names).inputs["weights"]
        return weights.files[0], weights.cards[0]

    checkpoints, cards = (
        f"results/demo/{x}/defenses" for x in ("checkpoints", "cards")
    )
    assert files("at@1.best") == (
        f"{checkpoints}/digits/at@1.snapshots.safetensors",
        f"{cards}/digits/at@1.json",
    )
    assert files("at")[0] == f"{checkpoints}/digits/at.safetensors"


def test_the_monitor_s_threat_is_part_of_the_training(watched, config_root):
    plan = Specs(load_config("demo", config_root))
    monitor = plan.defense("digits", "at").monitor
    assert (monitor.every, monitor.images, monitor.of) == (2, 40, "held_out")
    assert monitor.threat["steps"] == 20
    assert plan.defense("digits", "normal").monitor is None


@pytest.mark.parametrize(
    ("of", "told"),
    [
        ("held_out", {}),
        (
            "test",
            {
                f"test_{what}": Taken(
                    [f"data/digits/test.{what}.npy"], ["data/cards/digits.json"]
                )
                for what in ("images", "labels")
            },
        ),
    ],
)
def test_a_step_is_told_of_test_images_where_it_looks_at_them(
    edit, config_root, of, told
):
    edit("defenses", "defenses.at.monitor", WATCHED | {"of": of})
    inputs = Planner("demo", config_root).job("train_defense", "digits", "at").inputs
    assert {n: taken for n, taken in inputs.items() if n.startswith("test")} == told


@pytest.mark.parametrize(
    ("file", "place", "value", "told"),
    [
        (
            "papers/ijsat",
            "tables.table1.rows.1.defense",
            "normal.best",
            "'normal.best'",
        ),
        ("defenses", "defenses.at.monitor.threat", "pgd21", "no threat 'pgd21'; did"),
        (
            "defenses",
            "schedules.ijsat.learning_rate",
            None,
            "say either a learning_rate",
        ),
        ("defenses", "schedules.ijsat.knots", [[0, 1]], "say either a learning_rate"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    watched, config_root, file, place, value, told
):
    watched(file, place, value)
    with pytest.raises(PipelineError) as error:
        load_config("demo", config_root)
    assert told in str(error.value)
