"""The table of results: from a job's names to its files, and from a file back to them."""

import subprocess
from itertools import combinations
from pathlib import Path

import pytest

from pipeline_steps import layout
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import planned_for

NAMES = {
    "scale": "demo",
    "dataset": "digits",
    "corruption": "fog",
    "generator": "glow",
    "split": "test",
    "defense": "at@1",
    "threat": "pgd20",
    "shard": "1-of-2",
    "paper": "ijsat",
    "table": "table1",
    "figure": "figure2",
    "calibration": "calibration-elastic",
}

# Which of two rules makes a result follows from the config: by what a generator is, where
# a defense comes from, and whether the work is cut into shards.
SHARED = {
    frozenset(pair)
    for pair in (
        ("train_flow", "train_gan"),
        ("train_defense", "adopt_defense"),
        ("project_dataset", "gather_manifold"),
        ("attack_defense", "gather_verdicts"),
    )
}

ROLES = [
    pytest.param(result, role, id=f"{result.rule}-{role}")
    for result in layout.TABLE
    for role in result.outputs
]


def names_of(result: layout.Result) -> dict[str, str]:
    """Names of one of its jobs; those of data sets have no scale."""
    place = " ".join(result.outputs.values())
    return {key: name for key, name in NAMES.items() if f"{{{key}}}" in place}


def places_of(result: layout.Result) -> set[str]:
    return {result.file(role, **NAMES) for role in result.outputs}


def kept() -> list[Path]:
    """A path of each kind that lies there when all is done."""
    results = [result for result in layout.TABLE if not result.temporary]
    return sorted({Path(place) for result in results for place in places_of(result)})


@pytest.mark.parametrize(("result", "role"), ROLES)
def test_each_output_tells_its_rule_and_its_names(
    result: layout.Result, role: str
) -> None:
    kinds = [
        (kind.rule, names)
        for kind, names in layout.kinds_of(result.file(role, **NAMES))
    ]
    assert (result.rule, names_of(result)) in kinds


def test_no_two_rules_share_a_place_but_where_the_config_decides() -> None:
    """Names of pages and of data sets have no ending that another kind's place has."""
    sharing = {
        frozenset((one.rule, other.rule))
        for one, other in combinations(layout.TABLE, 2)
        if places_of(one) & places_of(other)
    }
    assert sharing == SHARED


def test_each_rule_writes_its_outputs_to_places_and_a_log_of_their_own() -> None:
    for result in layout.TABLE:
        assert len(places_of(result)) == len(result.outputs)
    assert len({result.log for result in layout.TABLE}) == len(layout.TABLE)
    assert len(layout.RULES) == len(layout.TABLE)


def test_a_job_s_names_are_in_each_of_its_places() -> None:
    """Else two jobs of a rule would write the same file."""
    for result in layout.TABLE:
        for place in [*result.outputs.values(), result.log]:
            assert all(f"{{{name}}}" in place for name in result.wildcards), place


def test_cards_and_they_alone_lie_where_cards_are_looked_for() -> None:
    for result in layout.TABLE:
        if result.temporary:
            continue
        cards = {role for role in result.outputs if layout.is_card(_path(result, role))}
        assert cards == ({"card"} if result.card else set()), result.rule


def _path(result: layout.Result, role: str) -> Path:
    return Path(result.file(role, **NAMES))


def test_git_leaves_large_files_to_dvc_and_keeps_all_others(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    ignore = tmp_path / ".gitignore"
    ignore.write_text((ROOT / ".gitignore").read_text())
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *map(str, kept())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    large = [str(path) for path in kept() if layout.is_large(path)]
    assert done.stdout.splitlines() == large
    assert 0 < len(large) < len(kept())


def test_what_is_large_lies_in_the_folders_that_dvc_is_given() -> None:
    folders = layout.large_folders("demo")
    for path in kept():
        inside = any(folder in path.parents for folder in folders)
        of_data = path.parts[0] == layout.DATA and layout.is_large(path)
        assert layout.is_large(path) == (inside or of_data), path


@pytest.mark.parametrize(
    "rule",
    [
        *("build_dataset", "show_dataset", "corrupt_dataset", "train_flow"),
        *("train_defense", "attack_defense", "explain_defense", "attack_snapshots"),
        *("make_table", "make_figure", "calibrate", "check_claims", "gather_claims"),
        "make_report",
    ],
)
def test_each_file_of_a_job_leads_to_the_job(rule: str) -> None:
    result = layout.RULES[rule]
    for role in result.outputs:
        job = planned_for(result.file(role, **NAMES), "demo")
        assert (job.result.rule, job.names) == (
            rule,
            {key: NAMES[key] for key in result.wildcards},
        )
