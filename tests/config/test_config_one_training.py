"""Defenses that differ in what they do at inference share one training."""

from pathlib import Path

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.planned import planner
from pipeline_steps.jobs.report_inputs import cards_in_report
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.layout import name_of

NAMES = ("atld-", "atld", "atld+")


@pytest.fixture
def paper():
    return Specs(load_config("paper"))


def test_atld_answers_in_three_ways_after_one_training(paper):
    specs = [paper.attack("cifar10", name, "pgd20") for name in NAMES]
    bare, full, halved = (dict(spec.architecture) for spec in specs)
    bare_training = paper.defense("cifar10", "atld-")
    assert bare == bare_training.architecture
    assert full.pop("inference") == {
        "inference": "manifold_transformation",
        "epsilon": pytest.approx(8 / 255),
        "step_size": pytest.approx(8 / 255),
        "halved": None,
        "halves_ball": False,
    }
    assert halved.pop("inference")["halved"] == [0.3, 0.7]
    assert bare == full == halved
    assert [paper.entries.trained_as(name) for name in NAMES] == ["atld-"] * 3
    assert paper.entries.trained_as("atld+@2") == "atld-@2"
    assert paper.entries.trained_as("at@2") == "at@2"


def test_the_discriminator_is_a_narrower_network_of_logits(paper):
    network = paper.defense("cifar100", "atld-").architecture
    assert (network["network"]["depth"], network["network"]["width"]) == (28, 10)
    assert network["companion"] == {
        "architecture": "wide_resnet",
        "depth": 28,
        "width": 5,
        "channels": 100,
        "classes": 101,
    }


@pytest.mark.parametrize("name", NAMES)
def test_its_jobs_take_the_weights_of_that_training(name):
    folder = "results/demo"
    taken = planner("demo").job("attack_defense", "digits", name, "clean").inputs
    weights = f"{folder}/checkpoints/defenses/digits/atld-.safetensors"
    assert taken["weights"].files == [weights]
    assert taken["weights"].cards == [f"{folder}/cards/defenses/digits/atld-.json"]


def test_what_is_shown_of_it_is_trained_once(config_root, edit):
    for row, name in zip((0, 1, 6), NAMES, strict=True):
        edit("papers/ijsat", f"tables.table1.rows.{row}.defense", name)
    edit("papers/ijsat", "figures", {})
    edit("papers/ijsat", "claims", [])
    edit("scales/demo", "pages", {"ijsat": {"table1": {"threats": ["pgd20"]}}})
    cards = cards_in_report(Specs(load_config("demo", config_root)))
    told = [name_of(Path(card)) for card in cards]
    trainings = [name for name in told if name.startswith("defenses/digits/atld")]
    assert trainings == ["defenses/digits/atld-"]
    assert {"verdicts/digits/atld/pgd20", "verdicts/digits/atld+/pgd20"} <= {*told}


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("atld.weights_of", "atdl-", "no defense 'atdl-', whose weights .* 'atld-'"),
        ("atld.schedule", "ijsat", "defenses.atld: a defense with the weights of"),
        (
            "atld.weights_of",
            "atld+",
            "the defense 'atld.', whose .* no training of its own",
        ),
        ("atld.inference.halvd", [0, 1], "'halvd'; did you mean 'halved'"),
    ],
)
def test_a_training_that_is_not_the_same_is_one_sentence(
    config_root, edit, place, value, told
):
    edit("defenses", f"defenses.{place}", value)
    with pytest.raises(PipelineError, match=told):
        load_config("paper", config_root)
