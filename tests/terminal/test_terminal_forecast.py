"""What jobs are forecast to take, from what is at hand."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_steps import layout
from pipeline_steps.core.card import Card
from pipeline_steps.core.files import write_json
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import RuleJob, planner
from pipeline_steps.terminal.forecast import Forecast, passes

PGD = {"attack": "ascent", "edit": {"perturbation": "pixel"}, "steps": 20}
FLOW = {"generator": {"generator": "glow"}, "perturbation": "latent"}
JSA = {"attack": "ascent", "edit": {"parts": [FLOW, PGD["edit"]]}, "steps": 50}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"recipe": "standard"}, 0),
        (PGD, 20),
        (PGD | {"restarts": 5}, 100),
        (JSA, 150),
        ({"recipe": "at", "threat": PGD}, 20),
        ({"attack": "rays", "queries": 1000}, 400),
        ({"attack": "ensemble", "parts": {"first": PGD, "second": JSA}}, 170),
    ],
    ids=["none", "pgd", "restarts", "generator", "recipe", "queries", "ensemble"],
)
def test_passes_are_counted_through_all_that_an_attack_is_made_of(settings, expected):
    assert passes(settings) == expected


def job(rule: str, *names: str) -> RuleJob:
    return planner("demo").job(rule, *names)


def forecast(root: Path) -> Forecast:
    return Forecast(planner("demo").specs.config, root)


AT = ("train_defense", "digits", "at")


def test_a_guess_knows_dear_jobs_from_cheap_ones(tmp_path):
    known = forecast(tmp_path)
    ijsat, at, normal = (
        known.seconds(job("train_defense", "digits", name))
        for name in ("ijsat", "at", "normal")
    )
    assert ijsat > 2 * at > 10 * normal
    jsa, pgd, clean = (
        known.seconds(job("attack_defense", "digits", "at", threat))
        for threat in ("jsa50", "pgd20", "clean")
    )
    assert jsa > 2 * pgd > 2 * clean
    shard = known.seconds(job("attack_shard", "digits", "at", "jsa50", "1-of-2"))
    assert jsa / 3 < shard < jsa
    assert known.seconds(job("make_table", "ijsat", "table1")) < 2


def test_the_last_plan_goes_before_a_guess(tmp_path):
    folder = tmp_path / layout.plan_folder("demo")
    folder.mkdir(parents=True)
    (folder / "jobs.csv").write_text(
        "step,name,seconds\ntrain_defense,digits/at,1234.5\ntrain_defense,digits/dmat,\n"
    )
    known = forecast(tmp_path)
    assert known.seconds(job(*AT)) == 1234.5
    unknown = job("train_defense", "digits", "dmat")
    assert known.seconds(unknown) == forecast(tmp_path / "no plan").seconds(unknown)


def test_what_the_same_settings_took_goes_before_all(tmp_path):
    planned = job(*AT)
    card, record = (tmp_path / planned.outputs[role] for role in ("card", "record"))
    card.parent.mkdir(parents=True)
    write_json(record, {"seconds": 77.0, "parts": [{"seconds": 7.0}]})
    same = Card(planned.result.step, planned.spec, {}, {}, {}, {})
    same.write(card)
    assert forecast(tmp_path).seconds(planned) == 70.0
    Card(planned.result.step, planned.spec | {"seed": 5}, {}, {}, {}, {}).write(card)
    assert forecast(tmp_path).seconds(planned) == forecast(
        tmp_path / "nothing"
    ).seconds(planned)


def test_to_follow_a_run_imports_nothing_that_computes():
    """Snakemake's own process would take seconds longer to start."""
    heavy = ("torch", "numpy", "pandas", "scipy", "pyarrow", "rich", "matplotlib")
    code = (
        "import sys, pipeline_steps.terminal.follower, pipeline_steps.terminal.watch\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
