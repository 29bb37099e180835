"""Jobs and what came out of them, in words."""

import json
from pathlib import Path

import pytest

from pipeline_steps.jobs.planned import planner
from pipeline_steps.layout import RULES
from pipeline_steps.terminal.words import Words, duration, outcome

JOBS = {
    "AT under PGD-20": ("attack_defense", "digits", "at", "pgd20"),
    "AT, no attack": ("attack_defense", "digits", "at", "clean"),
    "AT, seed 1 under PGD-20": ("attack_defense", "digits", "at@1", "pgd20"),
    "IJSAT under JSA-50, part 1 of 2": (
        *("attack_shard", "digits", "ijsat", "jsa50", "1-of-2"),
    ),
    "AT under PGD-20 on OM-digits": ("attack_defense", "om-digits", "at", "pgd20"),
    "AT under PGD-20 while training": ("attack_snapshots", "digits", "at", "pgd20"),
    "Grad-CAM of AT under PGD-20": ("explain_defense", "digits", "at", "pgd20"),
    "training IJSAT": ("train_defense", "digits", "ijsat"),
    "training Glow": ("train_flow", "digits", "glow"),
    "test images projected by SNGAN, part 2 of 3": (
        *("project_shard", "digits", "sngan", "test", "2-of-3"),
    ),
    "building CIFAR-10": ("build_dataset", "cifar10"),
    "corrupting CIFAR-10 with fog": ("corrupt_dataset", "cifar10", "fog"),
    "IJSAT, Table 1": ("make_table", "ijsat", "table1"),
    "claims of DMAT": ("check_claims", "dmat"),
    "the report": ("make_report",),
}


@pytest.mark.parametrize("words", JOBS)
def test_a_job_is_called_as_people_call_it(words):
    rule, *names = JOBS[words]
    demo = planner("demo")
    assert Words(demo.specs.config).job(demo.job(rule, *names), "digits") == words


def test_every_rule_has_words():
    demo = planner("demo")
    words = Words(demo.specs.config)
    values = {
        "dataset": "digits",
        "corruption": "fog",
        "generator": "glow",
        "split": "test",
        "defense": "at",
        "threat": "pgd20",
        "shard": "1-of-2",
        "paper": "ijsat",
        "table": "table1",
        "figure": "figure2",
        "calibration": "calibration-l2",
    }
    for rule, result in RULES.items():
        job = demo.job(rule, *(values[name] for name in result.wildcards))
        assert words.job(job).strip(), rule


def card(folder: Path, **metrics: object) -> Path:
    path = folder / "card.json"
    path.write_text(json.dumps({"metrics": metrics}))
    return path


def test_an_accuracy_has_the_interval_of_the_tables(tmp_path):
    found = card(tmp_path, accuracy=74.397, images=539)
    assert outcome("attack_defense", found) == "74.4 % [70.7, 78.1]"
    few = card(tmp_path, accuracy=0.0, images=20)  # exact, as in a table
    assert outcome("attack_defense", few) == "0.0 % [0.0, 16.8]"


@pytest.mark.parametrize(
    ("rule", "metrics", "expected"),
    [
        ("train_flow", {"bits_per_dimension": 1.364}, "1.36 bits per dimension"),
        ("train_gan", {"frechet_distance": 23.21}, "Fréchet distance 23.2"),
        ("make_table", {"cells": 56, "measured": 9}, "9 of 56 numbers measured"),
        ("make_figure", {"panels": 2}, ""),
        (
            "attack_snapshots",
            {"accuracy": {"12": 75.0, "3": 41.0, "9": 61.2}},
            "41.0 % after epoch 3, 75.0 % after epoch 12",
        ),
        (
            "check_claims",
            {"holds": 7, "does_not_hold": 0, "inconclusive": 5, "not_run": 42},
            "7 hold, 5 inconclusive, 42 not run",
        ),
    ],
)
def test_the_outcome_of_a_job_is_what_matters_of_its_metrics(
    tmp_path, rule, metrics, expected
):
    assert outcome(rule, card(tmp_path, **metrics)) == expected


def test_without_a_card_or_with_another_one_nothing_is_said(tmp_path):
    assert outcome("attack_defense", tmp_path / "none.json") == ""
    assert outcome("attack_defense", card(tmp_path, loss=1.0)) == ""


def test_durations_are_told_as_people_do():
    seconds = (0.2, 38, 101, 780, 7_200)
    said = ["under 1 s", "38 s", "2 min", "13 min", "2.0 h"]
    assert [duration(each) for each in seconds] == said
