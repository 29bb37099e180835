"""All scales do the same work, and wrong input ends in one sentence."""

import os
import re
from typing import Any

import pytest
from workflow_house import PROJECT, House
from yaml_edits import GONE

from docs.generate import pages, rule_graph

pytestmark = pytest.mark.xdist_group("workflow")


def uncut(scale: str) -> tuple[set[str], set[tuple[str, str]]]:
    """A scale's rules and which feeds which, as if nothing were cut into shards."""
    cut = {"attack_shard", "gather_verdicts"}, {"project_shard", "gather_manifold"}
    whole = dict.fromkeys(cut[0], "attack_defense") | dict.fromkeys(
        cut[1], "project_dataset"
    )
    rules, edges = rule_graph(scale)
    pairs = {(whole.get(a, a), whole.get(b, b)) for a, b in edges}
    return {whole.get(rule, rule) for rule in rules}, {
        (a, b) for a, b in pairs if a != b
    }


@pytest.mark.parametrize("scale", ["small", "paper", "preflight"])
def test_every_scale_has_the_demo_s_rule_graph(scale: str) -> None:
    (rules, edges), (demo_rules, demo_edges) = map(uncut, (scale, "demo"))
    assert rules == demo_rules
    # Images are told apart by published features, or offline by those of a defense.
    told = {"fetch_dataset", "train_defense"}, {"project_dataset"}
    # What no table or figure of the demo shows is made there by name alone.
    named = {"calibrate", "explain_defense"}
    odd = {
        (a, b)
        for a, b in edges ^ demo_edges
        if a not in named and (a not in told[0] or b not in told[1])
    }
    assert not odd


def test_the_flow_of_a_data_set_on_a_manifold_learns_from_the_manifold(
    tmp_path,
) -> None:
    """IJSAT A.1: for OM-ImageNet, Glow is trained on OM-ImageNet."""
    house = House.fresh(tmp_path / "house")
    flow = "results/demo/checkpoints/generators/om-digits/glow.safetensors"
    planned = house.planned("--config", "scale=demo", "--", flow)
    assert {
        "train_flow om-digits glow",
        "gather_manifold digits sngan train",
    } <= planned
    assert "train_flow digits glow" not in planned


def test_generated_pages_are_in_step_with_the_code() -> None:
    for path, text in pages():
        assert path.read_text() == text, f"{path.name} is out of step; run `make docs`"


def test_tests_of_one_group_stay_with_one_worker(request) -> None:
    """Else each worker builds a demo, and starts a SLURM, of its own."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("there is one worker alone")
    assert request.node.nodeid.endswith("@workflow")


def test_the_slurm_profile_plans_the_papers_size(tmp_path) -> None:
    house = House.fresh(tmp_path / "house")
    planned = house.planned("--profile", "slurm")
    assert "train_defense cifar10 ijsat" in planned
    assert not [job for job in planned if "digits" in job]


@pytest.mark.parametrize(
    ("file", "key", "value", "sentence"),
    [
        pytest.param(
            "workflow/config/defenses.yaml",
            "defenses.at.recipe.threat",
            "pdg10",
            "defenses.at.recipe.threat: there is no threat 'pdg10'; did you mean 'pgd10'?",
            id="a name that no file has",
        ),
        pytest.param(
            "workflow/config/datasets.yaml",
            "cifar10.budgets.image",
            8,
            "cifar10.budgets.image: 8 is outside 0 to 1",
            id="a value out of bounds",
        ),
        pytest.param(
            "workflow/config/scales/demo.yaml",
            "seeds",
            GONE,
            "seeds: the key 'seeds' is missing",
            id="a missing key",
        ),
    ],
)
def test_a_wrong_config_is_one_sentence_before_any_job(
    tmp_path, file: str, key: str, value: Any, sentence: str
) -> None:
    house = House.fresh(tmp_path / "house")
    house.configure(file, key, value)
    done = house.run("--cores", "1")
    assert done.returncode == 1
    assert re.search(rf"{file}: line \d+, {re.escape(sentence)}", done.stderr)
    assert "Traceback" not in done.stderr
    assert not (house.root / "results").exists()


def test_an_unknown_scale_or_key_is_one_sentence() -> None:
    house = House(PROJECT)
    for option, sentence in [
        ("scale=demoo", "there is no scale 'demoo'; did you mean 'demo'?"),
        ("scael=demo", "there is no config key 'scael'; did you mean 'scale'?"),
    ]:
        done = house.run("--dry-run", "--config", option)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
