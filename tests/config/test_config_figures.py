"""A scale may make a part of a figure, and plans what stands behind that part alone."""

from pathlib import Path

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.planned import Planner
from pipeline_steps.jobs.report_inputs import cards_in_report, panels
from pipeline_steps.layout import name_of

PART = {"defenses": ["normal", "at"], "threats": ["clean", "pgd20"]}


@pytest.fixture
def jobs(edit, config_root):
    edit("scales/demo", "pages.ijsat", {"figure9-cifar10": PART})
    return Planner("demo", config_root)


def test_a_figure_shows_the_panels_that_are_asked_for(jobs):
    spec = jobs.specs.pages.figure("ijsat", "figure9-cifar10")
    places = [(panel.part, panel.threat) for panel in spec.panels]
    assert places == [(d, t) for d in ("Normal", "AT") for t in ("clean", "pgd20")]


def test_behind_a_map_stand_the_verdicts_and_the_training(jobs):
    names = {"dataset": "digits", "defense": "normal", "threat": "pgd20"}
    assert panels(jobs.specs, "ijsat", "figure9-cifar10")[1] == ("cam", names)
    made = [name_of(Path(card)) for card in cards_in_report(jobs.specs)]
    for job in ("explanations/digits/at", "verdicts/digits/at"):
        assert {f"{job}/clean", f"{job}/pgd20"} <= {*made}
    assert "defenses/digits/at" in made
    assert not [job for job in made if job.startswith("explanations/digits/trades")]


def test_the_files_of_a_map_lie_where_the_rule_puts_them(jobs):
    shown = jobs.job("make_figure", "ijsat", "figure9-cifar10").inputs["panels"]
    name = "explanations/digits/normal/clean"
    assert shown.files[0] == f"results/demo/{name}.safetensors"
    assert shown.cards[0] == f"results/demo/cards/{name}.json"


def test_what_is_explained_is_what_was_judged(jobs):
    judged, explained = (
        jobs.job(rule, "digits", "at", "pgd20").spec
        for rule in ("attack_defense", "explain_defense")
    )
    assert explained == judged


def test_a_part_that_leaves_nothing_is_refused(edit, config_root):
    edit("scales/demo", "pages.ijsat", {"figure9-cifar10": {"defenses": ["dmat"]}})
    with pytest.raises(
        PipelineError, match=r"figure9-cifar10: this leaves no panel of the"
    ):
        load_config("demo", config_root)


def test_a_curve_that_a_scale_makes_needs_kept_weights(edit, config_root):
    edit("scales/cores", "pages.ijsat.figure7", {})
    with pytest.raises(PipelineError, match="'normal' keeps no weights on the way"):
        load_config("cores", config_root)
