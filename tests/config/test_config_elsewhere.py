"""A defense may be judged on corrupted images, or on a data set that it never saw."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.inputs import Inputs
from pipeline_steps.jobs.planned import planner
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.spec import Run

ELSEWHERE = "at-om.from-om-imagenet"


@pytest.fixture(scope="module")
def plan() -> Specs:
    return Specs(load_config("paper"))


def inputs(dataset: str, defense: str) -> Inputs:
    return planner("paper").job("attack_defense", dataset, defense, "clean").inputs


def test_natural_images_are_judged_by_what_learned_from_projected_ones(plan) -> None:
    runs = plan.pages.table("dmat", "table4").runs
    assert len({run.key for run in runs}) == 45
    assert {run.dataset for run in runs} == {"mixed10"}
    spec = plan.attack("mixed10", ELSEWHERE, "clean")
    assert spec.dataset.name == "mixed10"
    taken = inputs("mixed10", ELSEWHERE)
    trained = "results/paper/checkpoints/defenses/om-imagenet/at-om.safetensors"
    assert taken["weights"].files == [trained]
    card = "results/paper/cards/defenses/om-imagenet/at-om.json"
    assert taken["weights"].cards == [card]
    assert taken["images"].files == ["data/mixed10/test.images.npy"]


def test_seeds_and_best_weights_keep_their_place_before_the_origin(plan) -> None:
    run = Run(dataset="d", defense="at.best.from-cifar10", threat="clean", seed=2)
    assert plan.pages.label(run) == "at@2.best.from-cifar10"


def test_a_stand_in_for_both_is_no_elsewhere() -> None:
    demo = Specs(load_config("demo"))
    table = demo.pages.table("dmat", "table4")
    assert {run.defense for run in table.runs} >= {"at-om.from-om-digits"}
    same = {"mixed10": "digits", "om-imagenet": "digits"}
    alike = table.model_copy(update={"stand_ins": same})
    assert {alike.judged(row) for row in alike.rows} >= {"at-om", "dmat-om"}


def test_corrupted_images_are_judged_at_all_severities(plan) -> None:
    table = plan.pages.table("ijsat", "table2")
    corrupted = {run.key for run in table.runs if "." in run.dataset}
    assert len(corrupted) == 8 * 15
    assert {threat for _, _, threat in corrupted} == {"clean"}
    small = Specs(load_config("small"))
    assert small.attack("cifar10", "at", "clean").images == 1000
    assert small.attack("cifar10.fog", "at", "clean").images is None
    assert small.attack("cifar10.fog", "at", "clean").dataset.name == "cifar10.fog"
    taken = inputs("cifar10.fog", "rlat")
    assert taken["images"].files == ["data/cifar10/corruptions/fog.images.npy"]
    assert taken["images"].cards == ["data/cards/cifar10.fog.json"]
    trained = "results/paper/cards/defenses/cifar10/rlat.json"
    assert taken["weights"].cards == [trained]


def test_other_images_than_it_was_made_for_are_refused(plan) -> None:
    with pytest.raises(PipelineError, match="trained on digits can't be judged on cif"):
        plan.attack("cifar10", "at.from-digits", "clean")


@pytest.mark.parametrize(
    ("paper", "place", "value", "told"),
    [
        (
            "dmat",
            "table4.rows.0.trained_on",
            "om-imagenett",
            "no dataset 'om-imagenett",
        ),
        (
            "ijsat",
            "table2.columns.1.corruptions.9",
            "fogg",
            "no corruption 'fogg'; did",
        ),
        (
            "ijsat",
            "table2.columns.1.threat",
            "cleen",
            "no threat 'cleen'; did you mean",
        ),
    ],
    ids=range(3),
)
def test_unknown_names_are_one_sentence(config_root, edit, paper, place, value, told):
    edit(f"papers/{paper}", f"tables.{place}", value)
    with pytest.raises(PipelineError, match=told):
        load_config("paper", config_root)
