"""A run as its events tell it: states, what is left, and what a watcher is told."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.layout import RUN
from pipeline_steps.terminal.run_state import (
    Run,
    RunFile,
    RunJob,
    State,
    is_alive,
    read_run,
)
from pipeline_steps.terminal.screen import summary
from pipeline_steps.terminal.watch import described, watch


def run_of(*jobs: RunJob, slots: int = 1, local: bool = True) -> Run:
    return Run(
        "demo",
        slots,
        local,
        os.getpid(),
        os.uname().nodename,
        jobs={job.id: job for job in jobs},
    )


def job(number: int, seconds: float, *needs: int, step: str = "train") -> RunJob:
    log = f"results/demo/logs/{step}/{number}.log"
    return RunJob(number, step, step, f"job {number}", seconds, [*needs], log=log)


def tell(run: Run, kind: str, number: int, when: float) -> None:
    run.read({"event": kind, "id": number, "time": when})


def test_jobs_count_by_what_they_take_and_not_by_their_number():
    run = run_of(job(1, 90), *(job(n, 1, step="attack") for n in range(2, 12)))
    assert run.seconds_left(0) == 100
    tell(run, "started", 1, 0)
    tell(run, "finished", 1, 90)
    assert run.seconds_left(90) == pytest.approx(10)
    assert run.share_done(90) == pytest.approx(0.9)


def test_jobs_wait_for_those_before_them_and_share_the_cores():
    chain = run_of(job(1, 10), job(2, 10, 1), job(3, 10, 2), slots=2)
    assert chain.seconds_left(0) == 30
    free = run_of(job(1, 10), job(2, 10), job(3, 10), job(4, 10), slots=2)
    assert free.seconds_left(0) == 20
    assert free.seconds_left(0, slots=4) == 10


def test_a_job_that_runs_counts_what_is_left_of_it_even_when_late():
    run = run_of(job(1, 100))
    tell(run, "started", 1, 0)
    assert run.seconds_left(60) == pytest.approx(40)
    assert run.seconds_left(400) == pytest.approx(100)
    assert 0.7 < run.share_done(400) < 1


def test_a_step_that_takes_twice_as_long_is_forecast_so_and_others_a_bit():
    run = run_of(job(1, 500), job(2, 500), job(3, 500, step="attack"))
    tell(run, "started", 1, 0)
    tell(run, "finished", 1, 1000)
    factors = run.corrections()
    assert factors["train"] == pytest.approx(2, abs=0.1)
    assert factors["attack"] == pytest.approx(2, abs=0.1)
    tell(run, "started", 3, 1000)
    tell(run, "finished", 3, 1500)
    assert run.corrections()["attack"] == pytest.approx(1, abs=0.1)
    assert run.seconds_left(1500) == pytest.approx(1000, rel=0.05)


def test_a_short_job_alone_says_little_of_the_rest():
    run = run_of(job(1, 0.5), job(2, 1000))
    tell(run, "started", 1, 0)
    tell(run, "finished", 1, 5)  # ten times
    assert run.seconds_left(5) < 2000


def test_what_needs_a_failed_job_is_blocked_and_takes_no_time():
    run = run_of(job(1, 10), job(2, 20, 1), job(3, 30, 2), job(4, 40))
    tell(run, "started", 1, 0)
    tell(run, "failed", 1, 10)
    states = [job.state for job in run.jobs.values()]
    assert states == [State.FAILED, State.BLOCKED, State.BLOCKED, State.WAITING]
    assert run.seconds_left(10) == pytest.approx(40)
    tell(run, "started", 1, 10)  # another attempt
    assert run.counts[State.BLOCKED] == 0


def test_what_the_user_stops_has_not_failed():
    run = run_of(job(1, 10))
    tell(run, "started", 1, 0)
    tell(run, "stopped", 1, 5)
    assert run.counts == {State.WAITING: 1}
    assert summary(run, Path())[-1] == "the same command goes on where it stopped"


@pytest.fixture
def file(tmp_path: Path) -> RunFile:
    file = RunFile(tmp_path / RUN)
    file.begin(run_of(job(1, 10), job(2, 10, 1)), 100.0)
    file.add({"event": "started", "time": 101.0, "id": 1})
    return file


def test_who_reads_the_file_knows_what_the_run_knows(file):
    file.add({"event": "finished", "time": 131.0, "id": 1})
    run = read_run(file.path)
    assert run and (run.scale, run.began) == ("demo", 100.0)
    assert [run.jobs[1].state, run.jobs[1].took] == [State.DONE, 30]
    assert run.jobs[2].needs == [1]


def test_a_line_on_its_way_is_left_for_the_next_look(file):
    with file.path.open("a") as stream:
        stream.write('{"event": "finished", "ti')
    run = read_run(file.path)
    assert run and run.jobs[1].state is State.RUNNING


def test_a_new_run_forgets_the_last_one(file):
    file.begin(run_of(job(7, 10)), 200.0)
    run = read_run(file.path)
    assert run and [*run.jobs] == [7]


def test_a_run_whose_snakemake_was_killed_is_told_from_one_that_goes_on(file):
    run = read_run(file.path)
    assert run and is_alive(run)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    run.process = ended.pid
    assert not is_alive(run)
    lines = described(run, file.path.parents[1], 111.0, alive=False)
    assert "Its Snakemake is gone; start it again, and it goes on." in lines


@pytest.mark.parametrize("jump", [-176_392.0, 3.0e7])
def test_a_clock_that_is_set_changes_no_duration(tmp_path, monkeypatch, jump):
    file = RunFile(tmp_path / RUN)
    run = Run.planned(file.begin(run_of(job(1, 10), job(2, 10)), time.time()))
    run.read(file.add({"event": "started", "time": run.now(), "id": 1}))
    run.read(file.add({"event": "started", "time": run.now(), "id": 2}))
    calendar = time.time
    monkeypatch.setattr(time, "time", lambda: calendar() + jump)
    run.read(file.add({"event": "finished", "time": run.now(), "id": 1}))
    seen = read_run(file.path)
    assert seen
    for reader in (run, seen):
        assert 0 <= reader.jobs[1].took < 10
        assert 0 <= reader.used(reader.now()) < 10
    assert "1 running, 1 done" in described(seen, tmp_path, seen.now(), alive=True)[0]
    run.read(file.add({"event": "ended", "time": run.now()}))
    assert "in under 1 s" in summary(run, tmp_path)[0]


def test_a_watcher_in_a_pipe_gets_plain_lines_once(file, capsys):
    file.add({"event": "failed", "time": 105.0, "id": 1})
    log = file.path.parents[1] / "results/demo/logs/train/1.log"
    log.parent.mkdir(parents=True)
    log.write_text("12:00:01 error: the disk is full\n")
    watch(file.path.parents[1])
    said = capsys.readouterr().out
    assert "1 failed, 1 blocked" in said
    assert "failed: job 1: the disk is full" in said
    assert "\x1b" not in said


def test_before_any_run_there_is_nothing_to_watch(tmp_path):
    with pytest.raises(
        PipelineError, match="nothing has been run in this checkout yet"
    ):
        watch(tmp_path)


def test_on_a_cluster_the_queue_says_how_many_run_at_once(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    rows = "\\n".join(f"{n}|RUNNING|{tmp_path}" for n in range(4)) + "\\n"
    squeue.write_text(f"#!/bin/sh\nprintf '{rows}9|PENDING|{tmp_path}\\n'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    run = run_of(*(job(n, 3600) for n in range(8)), slots=100, local=False)
    for number in range(5):
        tell(run, "started", number, 0)  # submitted, and one of them waits
    lines = described(run, tmp_path, 1800.0, alive=True)
    assert lines[1] == "SLURM has 1 pending, 4 running."
    assert "about 2.0 h left" in lines[2]
    assert "submitted: job 0, 30 min" in lines


def test_without_an_answer_of_slurm_the_rest_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = described(run_of(job(1, 60), local=False), tmp_path, 0.0, alive=True)
    assert lines[1].startswith("SLURM was not asked: there is no squeue here")
    assert "1 waiting" in lines[0]
