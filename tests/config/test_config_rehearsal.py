"""A rehearsal runs all pages of all papers, and every attack in a few steps."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.registry import mappings
from pipeline_steps.jobs.counts import counts
from pipeline_steps.jobs.specs import Specs


@pytest.fixture(scope="module")
def rehearsal():
    return Specs(load_config("rehearsal"))


def test_nothing_that_the_paper_s_size_computes_is_left_out(rehearsal):
    paper = Specs(load_config("paper"))
    for name in paper.config.papers:
        assert rehearsal.pages.chosen(name) == paper.pages.chosen(name)
    computed = [[one.computed for one in counts(plan)] for plan in (rehearsal, paper)]
    assert computed[0] == computed[1]
    for name in paper.claims.papers:
        decided = [
            [claim.name for claim in plan.claims.of(name).claims if claim.holds]
            for plan in (rehearsal, paper)
        ]
        assert decided[0] == decided[1]


def test_no_attack_takes_more_steps_or_queries_than_its_limit(rehearsal):
    limits = rehearsal.config.scale.limits
    for name in rehearsal.config.threats:
        spec = rehearsal.threat(name, "digits-32").model_dump(mode="json")
        for entry in mappings(spec):
            if "generator" in entry or "architecture" in entry:
                continue  # a network's steps of flow are no steps of an attack
            assert (entry.get("steps") or 0) <= limits.steps, name
            assert entry.get("queries", 0) <= limits.queries, name


@pytest.mark.parametrize("threat", ["pgd20", "autoattack", "cla-d-pgd20", "rays40k"])
def test_other_scales_know_no_limits(threat):
    full, limited = (Specs(load_config(scale)) for scale in ("demo", "rehearsal"))
    specs = [
        plan.threat(threat, dataset).model_dump(mode="json")
        for plan, dataset in ((full, "digits"), (limited, "digits-32"))
    ]
    assert specs[0] != specs[1]
    assert {*specs[0]} == {*specs[1]}


def test_a_limit_keeps_what_is_below_it(config_root, edit):
    edit("scales/demo", "limits", {"steps": 10})
    plan = Specs(load_config("demo", config_root))
    assert [plan.threat(f"pgd{n}", "digits").steps for n in (5, 10, 20)] == [5, 10, 10]
    assert plan.threat("rays10k", "digits").queries == 10_000


def test_a_title_says_that_ice_was_drawn(rehearsal):
    table = rehearsal.table("ijsat", "table2")
    assert table.stand_ins == {"cifar10": "digits-32", "frost": "drawn-ice"}
    assert rehearsal.table("ijsat", "table1").stand_ins == {"cifar10": "digits-32"}
    assert not Specs(load_config("paper")).pages.table("ijsat", "table2").stand_ins
