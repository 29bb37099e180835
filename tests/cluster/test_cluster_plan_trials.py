"""What a trial took tells what the whole job will: its start once, and all its units."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline_steps.cluster.plan_counts import Counter
from pipeline_steps.cluster.plan_durations import Duration, durations
from pipeline_steps.cluster.plan_jobs import PlannedJob
from pipeline_steps.config.load import load_config
from pipeline_steps.core.card import Card
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import planner
from pipeline_steps.jobs.specs import Specs

H100 = {"device": "NVIDIA H100", "seconds": 100.0}
PACE = {
    "steps": {"done": 2, "seconds_each": 0.5},
    "ends of epochs": {"done": 1, "seconds_each": 3.0},
}
START = 100.0 - 2 * 0.5 - 3.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with the scales, and no result."""
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    return tmp_path


def plan_of(scale: str) -> Specs:
    return planner(scale).specs


def training(name: str, gpus: int = 1, scale: str = "paper") -> PlannedJob:
    spec = plan_of(scale).defense("cifar10", name).model_dump(mode="json")
    return PlannedJob(
        "train_defense",
        ["data/cifar10/train.images.npy"],
        [name],
        gpus=gpus,
        spec=spec,
        made=outputs(f"cards/defenses/cifar10/{name}", scale),
    )


def outputs(name: str, scale: str) -> dict[str, Path]:
    stem = f"results/{scale}/{name}"
    return {"card": Path(f"{stem}.json"), "record": Path(f"{stem}.record.json")}


def record(root: Path, job: PlannedJob, **told: Any) -> None:
    files = {role: root / path for role, path in job.made.items()}
    files["card"].parent.mkdir(parents=True, exist_ok=True)
    Card(job.rule, job.spec, {}, {}, {}).write(files["card"])
    files["record"].write_text(json.dumps(told))


def expected(root: Path, *jobs: PlannedJob) -> list[Duration]:
    return durations(jobs, load_config("paper"), root)


@pytest.mark.parametrize("name", ["at", "at@1"])
def test_a_training_takes_its_start_and_all_its_steps(root, name):
    """From whatever seed: 120 epochs of 390 steps."""
    record(root, training("at", scale="preflight"), **H100, pace=PACE)
    (known,) = expected(root, training(name))
    assert known.seconds == pytest.approx(START + 120 * 390 * 0.5 + 120 * 3.0)
    assert known.basis == "from preflight on NVIDIA H100"


def test_a_record_of_its_own_comes_first(root):
    record(root, training("at", scale="preflight"), **H100, pace=PACE)
    record(root, training("at"), device="NVIDIA H100", seconds=777.0)
    assert expected(root, training("at")) == [Duration(777.0, "measured")]


@pytest.mark.parametrize(
    "changed",
    [
        {"device": "cpu"},
        {"processes": 2},
        {"pace": {"steps": PACE["steps"]}},
        {"pace": {}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_trial_of_other_devices_or_without_a_pace_says_nothing(root, changed):
    told = {**H100, "pace": PACE, **changed}
    record(root, training("at", scale="preflight"), **told)
    (known,) = expected(root, training("at"))
    assert known.basis.startswith("counted")


def test_a_trial_of_another_batch_says_nothing(root):
    trial = training("at", scale="preflight")
    trial.spec["schedule"]["batch"] = 64
    record(root, trial, **H100, pace=PACE)
    (known,) = expected(root, training("at"))
    assert known.basis.startswith("counted")


def test_trials_give_the_rate_of_jobs_that_were_not_tried(root):
    record(root, training("at", scale="preflight"), **H100, pace=PACE)
    jobs = [training("at"), training("at-pgd5")]
    tried, other = expected(root, *jobs)
    counter = Counter(jobs, load_config("paper"), root)
    at, at_pgd5 = (counter.count(job, job.spec) for job in jobs)
    assert at and at_pgd5
    assert tried.seconds and other.seconds
    work = tried.seconds - START
    assert other.seconds == pytest.approx(START + work * at_pgd5 / at)
    assert other.basis == "scaled from 1 of preflight"


def evaluation(
    threat: str, shards: int, scale: str = "paper", dataset: str = "cifar10"
) -> list[PlannedJob]:
    """The shards of an evaluation, and the job that gathers them."""
    names, images = (dataset, "at", threat), "data/cifar10/test.images.npy"
    if "." in dataset:
        images = f"data/cifar10/corruptions/{dataset.partition('.')[2]}.images.npy"
    plan = plan_of(scale)
    jobs = [
        PlannedJob(
            "attack_shard",
            [images],
            [label],
            gpus=1,
            spec=plan.attack(*names, label).model_dump(mode="json"),
        )
        for label in (f"{number}-of-{shards}" for number in range(1, shards + 1))
    ]
    whole = PlannedJob(
        "gather_verdicts",
        [],
        ["v"],
        spec=plan.attack(*names).model_dump(mode="json"),
        made=outputs(f"cards/verdicts/{dataset}/at/{threat}", scale),
        needs=tuple(range(shards)),
    )
    return [*jobs, whole]


@pytest.mark.parametrize("in_shards", [False, True], ids=["whole", "in shards"])
def test_each_shard_takes_its_own_batches(root, in_shards):
    """20 batches of the test set, of which a trial attacked one: five in each of four."""
    part = {**H100, "pace": {"batches": {"done": 1, "seconds_each": 40.0}}}
    trial = evaluation("jsa50", 1, "preflight")[-1]
    made = {"device": "NVIDIA H100", "parts": [part]} if in_shards else part
    record(root, trial, **{"seconds": 102.0, **made})
    *shards, gather = expected(root, *evaluation("jsa50", 4))
    assert [shard.seconds for shard in shards] == [pytest.approx(60 + 5 * 40)] * 4
    assert {shard.basis for shard in shards} == {"from preflight on NVIDIA H100"}
    assert gather.basis == "stated"


def test_an_attack_that_spares_what_is_misclassified_takes_at_least_so_long(
    root, capsys
):
    part = {**H100, "pace": {"batches": {"done": 1, "seconds_each": 40.0}}}
    trial = evaluation("autoattack", 1, "preflight")[-1]
    record(root, trial, device="NVIDIA H100", seconds=102.0, parts=[part])
    shard, _ = expected(root, *evaluation("autoattack", 1))
    assert shard == Duration(60 + 20 * 40, "at least, from preflight on NVIDIA H100")
    assert capsys.readouterr().err.count("is not counted") == 1


def test_corrupted_test_images_are_five_times_as_many(root):
    """They were once taken for none."""
    corrupted, _ = evaluation("clean", 1, dataset="cifar10.fog")
    plain, _ = evaluation("clean", 1)
    counter = Counter([corrupted, plain], load_config("paper"), root)
    many, few = (counter.count(job, job.spec) for job in (corrupted, plain))
    assert many and few and many == pytest.approx(5 * few)
    assert counter.units(corrupted) == {"batches": 100}


def test_a_curve_has_the_batches_of_every_kept_epoch(root):
    """Twelve epochs, and four more around the drops of the learning rate."""

    def curve(scale: str) -> list[PlannedJob]:
        spec = plan_of(scale).curve("cifar10", "at", "pgd20").model_dump(mode="json")
        files = outputs("cards/curves/cifar10/at/pgd20", scale)
        images = ["data/cifar10/test.images.npy"]
        return [
            training("at", scale=scale),
            PlannedJob(
                "attack_snapshots", images, ["c"], {}, 1, 60, 0, spec, files, (0,)
            ),
        ]

    pace = {"batches": {"done": 1, "seconds_each": 20.0}}
    record(root, curve("preflight")[-1], **H100, pace=pace)
    _, known = expected(root, *curve("paper"))
    assert known.seconds == pytest.approx(80 + 16 * 20 * 20)


def test_a_projection_has_the_steps_of_every_batch(root):
    """69,480 images in batches of 32, a thousand steps each."""
    plan = plan_of("paper")
    spec = plan.manifold("mixed10", "stylegan", "train", "1-of-1")
    job = PlannedJob(
        "project_dataset",
        ["data/mixed10/train.images.npy"],
        ["p"],
        spec=spec.model_dump(mode="json"),
    )
    batches = 69480 / 32
    assert Counter([job], load_config("paper"), root).units(job) == {
        "steps": 1000 * batches,
        "ends of batches": batches,
    }
