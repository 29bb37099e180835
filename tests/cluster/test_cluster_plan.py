"""The plan: its jobs are Snakemake's, its hours say where they come from."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline_steps import layout
from pipeline_steps.cluster import plan_counts
from pipeline_steps.cluster.cost_plan import CostPlan
from pipeline_steps.cluster.plan_durations import SECONDS_TO_START, durations
from pipeline_steps.cluster.plan_figure import draw
from pipeline_steps.cluster.plan_jobs import PlannedJob, planned_jobs, read_jobs
from pipeline_steps.cluster.plan_tables import text, write_tables
from pipeline_steps.cluster.work import STEPS, Work
from pipeline_steps.config.load import load_config
from pipeline_steps.config.schema import Config
from pipeline_steps.core.card import Card
from pipeline_steps.core.digest import Code
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import planner
from pipeline_steps.jobs.report_inputs import run_names
from pipeline_steps.threats.perturbations.pixel import Pixel

NO_PAPER = "no paper by itself"


@pytest.fixture(scope="module")
def paper() -> list[PlannedJob]:
    """The whole graph of the papers' size, on a cluster that knows GPUs as GRES."""
    told = ["scale=paper", "gpus=gres:a100"]
    return planned_jobs(["--profile", "slurm", "--config", *told])


def test_each_job_has_what_snakemake_tells_its_step(paper):
    jobs, table = planner("paper"), load_config("paper").scale.resources
    for job in paper:
        known = jobs.that_makes(job.outputs[0])
        assert known.result.rule == job.rule
        assert job.spec == known.file.spec
        granted = table.get(job.step, table["default"])
        assert job.gpus == (0 if known.result.gathers else granted.gpus)
        assert {*map(str, job.made.values())} == set(job.outputs)


def test_each_job_comes_behind_those_that_make_its_inputs(paper):
    makers = {file: i for i, job in enumerate(paper) for file in job.outputs}
    for job in paper:
        assert set(job.needs) == {makers[file] for file in job.inputs}
    assert any(job.rule == "check_claims" and job.needs for job in paper)


def test_every_cell_that_can_be_computed_is_planned(paper):
    plan = planner("paper").specs
    wanted = {
        layout.file("attack_defense", "verdicts", scale="paper", **run_names(plan, run))
        for name, content in plan.config.papers.items()
        for table in content.tables
        for run in plan.pages.table(name, table).runs
    }
    made = {file for job in paper for file in job.outputs}
    assert len(wanted) > 500
    assert wanted <= made


def test_what_begins_long_paths_is_submitted_first(paper):
    by_rule = {job.rule: job.priority for job in paper}
    assert by_rule["train_flow"] > by_rule["train_defense"] > by_rule["attack_defense"]


def test_gpus_are_known_in_both_forms():
    head = (
        "rule train_defense:\n    output: a\n    resources: tmpdir=/tmp, runtime=60, "
    )
    for told, gpus in [
        ("gpu=2, gres=", 2),
        ("gpu=0, gres=gpu:2", 2),
        ("gpu=0, gres=gpu:a100:4", 4),
        ("gpu=0, gres=", 0),
        ("mem_mb=1", 0),
    ]:
        (job,) = read_jobs(head + told)
        assert (job.gpus, job.minutes) == (gpus, 60)


def test_what_is_made_already_is_not_to_do(tmp_path):
    """Snakemake's own judgement, in a project of two jobs."""
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input: 'b'\n"
        "rule first:\n    output: 'a'\n    shell: 'touch {output}'\n"
        "rule second:\n    input: 'a'\n    output: 'b'\n    priority: 7\n"
        "    shell: 'touch {output}'\n"
    )
    snakemake = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--quiet",
        "all",
        "--",
    ]
    subprocess.run([*snakemake, "a"], cwd=tmp_path, check=True)
    first, second = planned_jobs([], tmp_path)
    assert (first.rule, first.to_do, first.priority) == ("first", False, 0)
    assert (second.rule, second.to_do, second.priority) == ("second", True, 7)
    assert second.needs == (0,)


def test_a_wrong_config_is_one_sentence():
    with pytest.raises(PipelineError, match="there is no scale 'papre'; did you mean"):
        planned_jobs(["--config", "scale=papre"])


# ---- How long each job takes, and how that is known -----------------------------------


@pytest.fixture
def config() -> Config:
    return load_config("paper")


def training(config: Config, name: str, gpus: int = 1) -> PlannedJob:
    spec = planner("paper").specs.defense("cifar10", name).model_dump(mode="json")
    files = {role: Path(f"{name}.{role}.json") for role in ("card", "record")}
    images = "data/cifar10/train.images.npy"
    return PlannedJob(
        "train_defense", [images], [name], gpus=gpus, spec=spec, made=files
    )


def record(root: Path, job: PlannedJob, spec: Any = None, **told: Any) -> None:
    """A run of the job as card and record tell of it."""
    card = Card(job.rule, spec or job.spec, {}, {}, {})
    card.write(root / job.made["card"])
    (root / job.made["record"]).write_text(json.dumps(told))


def test_operations_are_shared_out_at_the_stated_rate(config, tmp_path):
    job = training(config, "at")
    (known,) = durations([job], config, tmp_path)
    count = Work(job.rule, job.spec, 50_000, 0).operations()
    seconds = count / (config.scale.rate.teraflops * 1e12)
    assert known.seconds == pytest.approx(SECONDS_TO_START + seconds)
    assert known.basis == "counted at 8 TFLOP/s (A100 in float32)"


def test_counts_are_kept_until_the_code_changes(config, tmp_path, monkeypatch):
    job = training(config, "normal")
    first = durations([job], config, tmp_path)

    def never(work: Work) -> float:
        raise AssertionError("counted again")

    monkeypatch.setattr(Work, "operations", never)
    assert durations([job], config, tmp_path) == first
    monkeypatch.setattr(plan_counts, "code", lambda *_: Code("new", {}, {}))
    (known,) = durations([job], config, tmp_path)
    assert known.basis == "unknown"


def test_a_record_of_the_same_settings_is_taken_as_it_is(config, tmp_path):
    job = training(config, "at")
    record(tmp_path, job, device="NVIDIA H100", seconds=1234.5)
    (known,) = durations([job], config, tmp_path)
    assert (known.seconds, known.basis) == (1234.5, "measured")


def test_what_was_measured_is_not_counted(config, tmp_path):
    """To count takes a second for each job; a finished scale needs none of it."""
    jobs = [training(config, "at"), training(config, "ijsat")]
    for job in jobs:
        record(tmp_path, job, device="NVIDIA H100", seconds=100)
    counts = tmp_path / layout.plan_folder("paper") / "operations.json"
    durations(jobs, config, tmp_path)
    assert not counts.exists()
    durations([*jobs, training(config, "trades")], config, tmp_path)
    assert len(json.loads(counts.read_text())) == 3


def test_the_steps_that_are_counted_are_those_whose_work_is_known():
    assert set(plan_counts.COUNTED) == STEPS.keys()


def test_other_records_of_a_step_give_its_rate(config, tmp_path):
    at, ijsat = training(config, "at"), training(config, "ijsat")
    record(tmp_path, at, device="NVIDIA H100", seconds=1000)
    _, known = durations([at, ijsat], config, tmp_path)
    counts = [Work(job.rule, job.spec, 50_000, 0).operations() for job in (at, ijsat)]
    assert known.seconds == pytest.approx(1000 * counts[1] / counts[0])
    assert known.basis == "scaled from 1 measured"


def test_a_record_of_older_settings_gives_the_rate(config, tmp_path):
    job = training(config, "at")
    older = job.spec | {"schedule": job.spec["schedule"] | {"epochs": 60}}
    record(tmp_path, job, older, device="NVIDIA H100", seconds=1000)
    (known,) = durations([job], config, tmp_path)
    assert known.seconds == pytest.approx(2000)
    assert known.basis == "scaled from 1 measured"


def test_a_record_of_a_cpu_says_nothing_of_a_gpu(config, tmp_path):
    job = training(config, "at")
    record(tmp_path, job, device="cpu", seconds=1234.5)
    (known,) = durations([job], config, tmp_path)
    assert known.basis.startswith("counted")


def test_the_record_of_gathered_shards_tells_of_each(config, tmp_path):
    plan = planner("paper").specs
    names = ("cifar10", "at", "pgd20")
    shards = [
        PlannedJob(
            "attack_shard",
            ["data/cifar10/test.images.npy"],
            [label],
            gpus=1,
            spec=plan.attack(*names, label).model_dump(mode="json"),
        )
        for label in ("1-of-2", "2-of-2")
    ]
    whole = plan.attack(*names).model_dump(mode="json")
    files = {role: Path(f"{role}.json") for role in ("card", "record")}
    gather = PlannedJob(
        "gather_verdicts", [], ["v"], spec=whole, made=files, needs=(0, 1)
    )
    parts = [{"device": "NVIDIA H100", "seconds": s} for s in (100, 140)]
    record(tmp_path, gather, device="NVIDIA H100", seconds=241, parts=parts)
    known = durations([*shards, gather], config, tmp_path)
    assert [one.seconds for one in known] == [100, 140, 1]
    assert {one.basis for one in known} == {"measured"}


def test_what_cannot_run_on_pretence_is_unknown_and_the_rest_goes_on(
    config, tmp_path, monkeypatch, capsys
):
    def looks_at_values(self: Pixel, batch: Any, rng: Any) -> Any:
        return [batch.images] if float(batch.images.sum()) > 0 else []

    monkeypatch.setattr(Pixel, "start", looks_at_values)
    jobs = [training(config, "normal"), training(config, "at")]
    jobs[1].spec["schedule"]["batch"] = 97  # counted for no other test
    normal, at = durations(jobs, config, tmp_path)
    assert normal.seconds
    assert (at.seconds, at.basis) == (None, "unknown")
    assert "train_defense" in capsys.readouterr().err


def test_small_jobs_are_stated_and_unknown_steps_on_gpus_are_unknown(config, tmp_path):
    jobs = [
        PlannedJob("make_table", [], ["t"]),
        PlannedJob("new_step", [], ["n"], gpus=1),
    ]
    table, new = durations(jobs, config, tmp_path)
    assert table.basis == "stated"
    assert (new.seconds, new.basis) == (None, "unknown")


# ---- The plan as a whole ---------------------------------------------------------------


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> CostPlan:
    """One table and the claims alone: to count all that is planned takes minutes."""
    told = ["ijsat_table1", "results/small/claims.csv", "--profile", "slurm"]
    jobs = planned_jobs([*told, "--config", "scale=small", "gpus=gres:a100"])
    config = load_config("small")
    known = durations(jobs, config, tmp_path_factory.mktemp("plan"))
    return CostPlan("small", config.scale, jobs, known, window=100)


def two_papers(plan: CostPlan) -> CostPlan:
    """The plan with a second paper that asks for the same table."""
    table = next(job for job in plan.jobs if job.rule == "make_table")
    place = plan.jobs.index(table)
    other = PlannedJob(
        "make_table",
        outputs=["other"],
        wildcards={"paper": "other", "table": "table1"},
        needs=table.needs,
        to_do=True,
    )
    return CostPlan(
        plan.scale,
        plan.settings,
        [*plan.jobs, other],
        [*plan.durations, plan.durations[place]],
        plan.window,
    )


def test_a_shared_job_stands_in_each_target_and_once_in_all(plan, tmp_path):
    both = two_papers(plan)
    write_tables(both, tmp_path)
    targets = pd.read_csv(tmp_path / "targets.csv", index_col="target")
    stages = pd.read_csv(tmp_path / "stages.csv", index_col="stage")
    # Claims of each paper are checked, though this scale makes tables of one alone.
    named = ["atld", "dmat", "ijsat", "ijsat_table1", "jat", "other", "other_table1"]
    assert list(targets.index) == [*named, NO_PAPER]
    assert targets.loc["other_table1", "jobs"] == targets.loc["other", "jobs"]
    assert targets.loc["ijsat_table1", "jobs"] < targets.loc["ijsat", "jobs"]
    assert stages.loc["train_defense", "jobs"] == 3
    assert stages.loc["all", "jobs"] == len(both.jobs)
    assert targets["jobs"].sum() > len(both.jobs)
    hours = "GPU hours"
    assert targets.loc["other", hours] > stages.loc["train_defense", hours]
    assert stages.loc["all", hours] == pytest.approx(
        stages[hours].drop("all").sum(), abs=0.02
    )


def test_the_plan_is_told_written_and_drawn(plan, tmp_path):
    write_tables(plan, tmp_path)
    draw(plan, tmp_path)
    told = text(plan)
    for said in ("train_defense", "counted at 8 TFLOP/s", "Critical path", "ijsat"):
        assert said in told
    assert len(pd.read_csv(tmp_path / "jobs.csv")) == len(plan.jobs)
    schedules = pd.read_csv(tmp_path / "schedules.csv")
    assert list(schedules["GPUs"]) == [1, 8, 64]
    assert (schedules["ratio"] >= 1).all()
    assert "train_defense" in (tmp_path / "plan.html").read_text()
    assert (tmp_path / "plan.png").stat().st_size > 10_000
    assert "<svg" in (tmp_path / "plan.svg").read_text()


def test_a_scale_without_gpus_is_planned_by_cores(config):
    jobs = [PlannedJob("make_table", [], ["t"], to_do=True)]
    plan = CostPlan(
        "demo", config.scale, jobs, durations(jobs, config, ROOT), window=100
    )
    assert plan.device == "core"
    assert "cores" in text(plan)


def test_nothing_left_takes_no_time(config, tmp_path):
    jobs = [PlannedJob("make_table", [], ["t"])]
    plan = CostPlan(
        "paper", config.scale, jobs, durations(jobs, config, ROOT), window=100
    )
    assert "nothing is left" in text(plan)
    draw(plan, tmp_path)
