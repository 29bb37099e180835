"""Two copies of one job never write together, and a job minds its own clock."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from pipeline_steps import layout
from pipeline_steps.core import lock
from pipeline_steps.core.errors import Interrupted
from pipeline_steps.core.processes import mind_the_clock
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.step import Job
from tests.job_words import job_words

STEP = """
import sys, time
from pathlib import Path
from pipeline_steps.core.settings import Settings
from pipeline_steps.core.step import run

class Spec(Settings):
    seconds: float

def main(job):
    with open("runs", "a") as file:
        file.write("run\\n")
    time.sleep(job.spec.seconds)
    while Path("hold").exists():
        time.sleep(0.05)
    job.output("whole").write_text("made")
    return {}

run("datasets.fetch_dataset", Spec, main, sys.argv[1:])
"""


@pytest.fixture
def start(tmp_path):
    """Starts a copy of one job in a folder."""
    (tmp_path / "step.py").write_text(STEP)
    started = []

    def start(seconds):
        outputs = ["whole=out/whole.txt", "card=out/card.json", "record=out/r.json"]
        process = subprocess.Popen(
            [
                *(sys.executable, "step.py"),
                *job_words("datasets.fetch_dataset", {"seconds": seconds}, outputs),
            ],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_second_copy_waits_and_does_nothing_twice(start, tmp_path):
    (tmp_path / "hold").touch()
    first = start(seconds=0)
    wait_for((tmp_path / "runs").exists)
    second = start(seconds=0)
    assert "another copy of this job is running" in second.stderr.readline()
    (tmp_path / "hold").unlink()
    assert first.wait(30) == 0
    assert second.wait(30) == 0
    assert "the other copy made the outputs" in second.stderr.read()
    assert (tmp_path / "runs").read_text() == "run\n"
    assert (tmp_path / "out/whole.txt").read_text() == "made"


def test_a_second_copy_does_the_work_that_a_killed_one_left(start, tmp_path):
    first = start(seconds=60)
    wait_for((tmp_path / "runs").exists)
    second = start(seconds=0)
    assert "another copy of this job is running" in second.stderr.readline()
    first.send_signal(signal.SIGKILL)
    assert second.wait(30) == 0
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_without_another_copy_a_step_by_hand_runs_again(start, tmp_path):
    assert start(seconds=0).wait(30) == 0
    assert start(seconds=0).wait(30) == 0
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_file_system_without_locks_stops_nobody(tmp_path, monkeypatch, capfd):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    with lock.alone(tmp_path / "lock") as waited:
        assert not waited
    assert "knows no locks" in capfd.readouterr().err


def test_training_stops_before_its_limit_and_goes_on_later(tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINE_DEADLINE", "0")
    done = []
    model = torch.nn.Linear(1, 1)
    with pytest.raises(Interrupted, match="the time limit is near"):
        for step, _ in Resume(tmp_path).steps({"model": model}, 3, "toy"):
            done.append(step)
    monkeypatch.delenv("PIPELINE_DEADLINE")
    for step, _ in Resume(tmp_path).steps({"model": model}, 3, "toy"):
        done.append(step)
    assert done == [0, 1, 2]


@pytest.mark.parametrize("jump", [-1.0e6, 1.0e6])
def test_a_clock_that_is_set_moves_no_time_limit(tmp_path, monkeypatch, jump):
    calendar = time.time
    monkeypatch.setenv("PIPELINE_LIMITED", "1")
    monkeypatch.delenv("PIPELINE_DEADLINE", raising=False)

    def steps(minutes_ago):
        # restored by monkeypatch, for what sets it does so in os.environ itself
        monkeypatch.setenv("PIPELINE_DEADLINE", "inf")
        mind_the_clock(Job("toy", None, None, {}, {}).clock - 60 * minutes_ago, 10)
        monkeypatch.setattr(time, "time", lambda: calendar() + jump)
        parts = {"model": torch.nn.Linear(1, 1)}
        folder = tmp_path / str(minutes_ago)
        return [step for step, _ in Resume(folder).steps(parts, 3, "toy")]

    assert steps(minutes_ago=8) == [0, 1, 2], "a minute is left before the margin"
    with pytest.raises(Interrupted, match="the time limit is near"):
        steps(minutes_ago=9.5)


def test_what_a_killed_copy_left_beside_its_outputs_is_removed(start, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    stale = [".partial-1-whole.txt", "..partial-22-card.json.k3x_9abc"]
    others = [".partial-1-other.txt", ".partial-1-whole.txt.json", "whole.txt.old"]
    for name in (*stale, *others):
        (out / name).touch()
    assert start(seconds=0).wait(30) == 0
    made = ["whole.txt", "card.json", "r.json"]
    assert {path.name for path in out.iterdir()} == {*made, *others}


def test_who_waits_says_for_whom_since_when_and_how_to_go_on(
    tmp_path, monkeypatch, capfd
):
    """A machine that is gone may hold its lock for ever; the user takes it away."""
    path = tmp_path / "locks/one"
    path.parent.mkdir()
    monkeypatch.setattr(lock, "SECONDS_OF_PATIENCE", 0.2)
    monkeypatch.setattr(lock, "SECONDS_BETWEEN_TRIES", 0.05)
    with path.open("w") as gone:
        fcntl.flock(gone, fcntl.LOCK_EX)
        gone.write("process 77 on node12 since 2026-11-30 10:00:00 UTC")
        gone.flush()
        threading.Timer(0.6, path.unlink).start()
        with lock.alone(path) as waited:
            assert waited
            holder = path.read_text()
    assert f"process {os.getpid()} on {os.uname().nodename} since 20" in holder
    first, *later = capfd.readouterr().err.splitlines()
    assert "process 77 on node12 since 2026-11-30 10:00:00 UTC; waiting" in first
    assert later and all(f"if that machine is gone, delete {path}" in x for x in later)


def test_the_holder_of_a_lock_is_the_last_one(tmp_path):
    """Its name is no longer than what is written there, whoever had it before."""
    for _ in range(2):
        with lock.alone(tmp_path / "lock"):
            assert (tmp_path / "lock").read_text().count("process") == 1


WEIGHTS = "results/demo/checkpoints/defenses/digits/at.safetensors"


def test_what_killed_jobs_left_is_swept_and_what_runs_is_left_alone(tmp_path):
    place = tmp_path / WEIGHTS
    place.parent.mkdir(parents=True)
    stale = [f".partial-1-{place.name}", f"..partial-22-{place.name}.k3x_9abc"]
    others = [place.name, ".partial-1", f".partial-x-{place.name}", ".partial-1-notes"]
    for name in (*stale, *others):
        (place.parent / name).touch()
    kind, names = next(layout.kinds_of(WEIGHTS))
    of_job = lock.lock_of(at.format(**names) for at in kind.outputs.values())
    with lock.alone(tmp_path / of_job):
        assert lock.sweep(tmp_path) == 0
    assert lock.sweep(tmp_path) == 2
    assert {path.name for path in place.parent.iterdir()} == {*others}


def test_where_nobody_knows_of_locks_nothing_is_swept(tmp_path, monkeypatch):
    place = tmp_path / WEIGHTS
    place.parent.mkdir(parents=True)
    (place.parent / f".partial-1-{place.name}").touch()
    kind, names = next(layout.kinds_of(WEIGHTS))
    of_job = lock.lock_of(at.format(**names) for at in kind.outputs.values())
    (tmp_path / of_job).parent.mkdir(parents=True)
    (tmp_path / of_job).touch()

    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    assert lock.sweep(tmp_path) == 0
