"""A defense trained by several processes is the one that a single process trains."""

import json
import signal
import time

import pandas as pd
import psutil
import pytest
import torch

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.core.step import INTERRUPTED
from pipeline_steps.core.tensors import read_tensors, write_tensors

STEP = "defenses.train_defense"
ROLES = {
    "weights": "weights.safetensors",
    "snapshots": "snapshots.safetensors",
    "history": "history.csv",
    "card": "card.json",
    "record": "record.json",
}
GLOW = {"name": "toy", "generator": "glow", "size": 8, "channels": 3}
GLOW |= {"steps": 1, "width": 8}


@pytest.fixture(scope="module")
def glow(tmp_path_factory):
    """A flow with a card, for recipes that want one."""
    folder = tmp_path_factory.mktemp("glow")
    model = make("generator", {k: v for k, v in GLOW.items() if k != "name"})
    model.initialise(rng(0, "toy").uniform([32, 3, 8, 8]))
    weights = folder / "weights.safetensors"
    write_tensors(weights, model.state_dict())
    facts = {"weights": file_facts(weights)}
    Card("generators.train_flow", {}, {}, {}, facts).write(folder / "card.json")
    return {"generators": weights, "generators_card": folder / "card.json"}


@pytest.fixture
def started(tmp_path, toy_files, glow, spec_of, start_step):
    """Starts a training by so many processes in a folder of its own."""

    def started(folder, processes, recipe="at", watched=False, **schedule):
        spec = spec_of(recipe, **schedule).model_dump(mode="json")
        if watched:
            threat = spec["recipe"]["threat"]
            looks = {"threat": threat, "every": 1, "images": 16, "of": "held_out"}
            spec["monitor"] = looks
        inputs = {
            "images": toy_files["train_images"],
            "labels": toy_files["train_labels"],
            "images_card": toy_files["card"],
            "labels_card": toy_files["card"],
            "generators": "",
            "generators_card": "",
        }
        if recipe == "ijsat":
            spec["recipe"]["threat"]["edit"]["parts"][0]["generator"] = GLOW
            inputs |= glow
        (tmp_path / folder).mkdir(exist_ok=True)
        return start_step(
            STEP,
            spec,
            ROLES,
            inputs=inputs,
            processes=processes,
            folder=tmp_path / folder,
            environment={"PIPELINE_SAVE_SECONDS": "0.05"},
        )

    return started


def ended(process):
    _, told = process.communicate(timeout=300)
    return process.returncode, told


def trained(folder, process):
    status, told = ended(process)
    assert status == 0, told
    return read_tensors(folder / ROLES["weights"])


def told_in(path, *keys):
    content = json.loads(path.read_text())
    return [content.get(key) for key in keys]


WAYS = {
    "at": ({"ema": 0.8, "norm_limit": 0.5, "watched": True}, 1e-5),
    "ijsat": ({}, 1e-5),
    "atld": ({}, 1e-5),
    "adv_prop": ({}, 1e-5),
    # Rounding grows with every step, so there are three.
    "normal": ({"precision": "bfloat16", "epochs": 1}, 5e-3),
}


@pytest.mark.parametrize("recipe", WAYS)
def test_two_processes_train_what_one_does(started, tmp_path, recipe):
    """Weights and batch norm's statistics alike, after the last step."""
    more, near = WAYS[recipe]
    one, two = (
        trained(tmp_path / name, started(name, processes, recipe, **more))
        for name, processes in (("one", 1), ("two", 2))
    )
    assert one.keys() == two.keys()
    assert any("running_var" in name for name in one)
    for name, tensor in one.items():
        assert torch.allclose(two[name], tensor, rtol=0, atol=near), name
    told = [pd.read_csv(tmp_path / name / ROLES["history"]) for name in ("one", "two")]
    assert ("robust" in told[0]) == ("watched" in more)
    pd.testing.assert_frame_equal(*told, rtol=20 * near)
    card, record = ("step", "spec", "code", "inputs"), ("processes",)
    assert told_in(tmp_path / "one/card.json", *card) == told_in(
        tmp_path / "two/card.json", *card
    )
    assert told_in(tmp_path / "one/record.json", *record) == [None]
    assert told_in(tmp_path / "two/record.json", *record) == [2]
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        *ROLES.values(),
        "results",
    }


def member(process, rank):
    """The process of this rank, once it has started to train."""
    members = psutil.Process(process.pid).children(recursive=True)
    (found,) = (m for m in members if m.environ().get("RANK") == str(rank))
    return found


def wait_for_save(folder, process):
    """Until this very process saved its state."""

    def saved():
        found = folder.glob("results/.unfinished/*/state.safetensors")
        return [path.stat().st_mtime_ns for path in found]

    before = saved()
    while saved() == before:
        assert process.poll() is None, ended(process)
        time.sleep(0.005)


def results(folder):
    names = [name for role, name in ROLES.items() if role != "record"]
    return {name: (folder / name).read_bytes() for name in names}


def test_a_training_by_two_that_is_stopped_ends_in_the_same_bytes(started, tmp_path):
    """The whole job, or one process of it alone, is asked to stop, or is killed."""
    long = {"processes": 2, "epochs": 40, "batch": 8}
    assert ended(started("alone", **long))[0] == 0
    for number, rank in (
        (signal.SIGTERM, None),
        (signal.SIGKILL, None),
        (signal.SIGUSR1, 1),
    ):
        process = started("stopped", **long)
        wait_for_save(tmp_path / "stopped", process)
        members = psutil.Process(process.pid).children(recursive=True)
        assert len(members) == 3, "torchrun and two more"
        if rank is None:
            process.send_signal(number)
        else:
            member(process, rank).send_signal(number)
        status, told = ended(process)
        assert not psutil.wait_procs(members, timeout=60)[1], "some outlive their job"
        if number == signal.SIGKILL:
            assert status == -number
        else:
            assert status == INTERRUPTED, told
            assert told.count(f"{number.name}: saved after step") == 1
            assert "Traceback" not in told
        assert {path.name for path in (tmp_path / "stopped").iterdir()} == {"results"}
    status, told = ended(started("stopped", **long))
    assert status == 0
    assert told.count("resumed after step") == 1
    assert results(tmp_path / "stopped") == results(tmp_path / "alone")


def test_two_processes_stop_together_before_their_limit(started, tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINE_DEADLINE", "0")
    status, told = ended(started("late", 2))
    assert status == INTERRUPTED
    assert told.count("the time limit is near: saved after step 1 of 12") == 1


def test_a_process_that_dies_ends_the_job_in_one_sentence(
    started, tmp_path, a_sentence
):
    process = started("died", 2, epochs=10_000)
    wait_for_save(tmp_path / "died", process)
    member(process, rank=1).kill()
    status, told = ended(process)
    assert status == 1
    assert "process 2 of 2 was killed by SIGKILL; run" in a_sentence(told)


def test_a_batch_that_processes_can_t_share_evenly_is_one_sentence(started, a_sentence):
    status, told = ended(started("odd", 2, batch=15))
    assert status == 1
    assert "a batch of 15 images can't be split evenly among 2" in a_sentence(told)
