"""The launcher, against a SLURM and a Snakemake that are played by small scripts."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline_steps.cluster.queue import jobs_of
from pipeline_steps.cluster.summary import Summary
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT

SQUEUE = """#!/bin/sh
[ -e slurm-is-down ] && { echo "cannot connect" >&2; exit 1; }
cat queue 2>/dev/null || true
"""
SCANCEL = """#!/bin/sh
echo "$@" >> cancelled
rm -f queue
"""
# Played in place of `python -m snakemake`.
SNAKEMAKE = """
import sys, time
from pathlib import Path
with open("calls", "a") as file:
    file.write(" ".join(sys.argv[1:]) + chr(10))
if "--unlock" in sys.argv:
    sys.exit()
calls = Path("calls").read_text().count("--profile slurm") // 2
if Path("hang-once").exists() and calls < 2:
    time.sleep(60)
print("3 of 3 steps (100%) done")
sys.exit(int(Path("status").read_text()) if Path("status").exists() else 0)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a SLURM of its own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("squeue", SQUEUE), ("scancel", SCANCEL)):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "workflow").mkdir()
    (checkout / "Snakefile").touch()
    (checkout / "snakemake.py").write_text(SNAKEMAKE)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{checkout}:{ROOT}")
    return checkout


def start(place: Path, *arguments: str) -> subprocess.Popen:
    # a shell lets what runs in its background ignore SIGINT
    command = ["env", "--default-signal", sys.executable, "-m"]
    command += ["pipeline_steps.cli", "cluster", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=place, stdout=pipe, stderr=pipe, text=True)


def queue(place: Path, *states: str, folder: Path | None = None) -> None:
    rows = [f"{n}|{state}|{folder or place}" for n, state in enumerate(states, 7)]
    (place / "queue").write_text("\n".join(rows) + "\n")


def calls(place: Path) -> list[str]:
    path = place / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_a_plain_run_unlocks_runs_and_sums_up(place):
    run = start(place, "--scale", "demo")
    out, _ = run.communicate(timeout=30)
    assert run.returncode == 0
    assert calls(place) == [
        "--profile slurm --unlock --config scale=demo",
        "--profile slurm --config scale=demo",
    ]
    assert out.endswith("3 jobs done, 0 failed, 0 left\n")


def test_the_status_of_snakemake_is_the_launcher_s(place):
    (place / "status").write_text("1")
    run = start(place)
    run.communicate(timeout=30)
    assert run.returncode == 1


def test_orphans_are_cancelled_on_request_before_anything_starts(place):
    queue(place, "RUNNING", "PENDING")
    run = start(place, "--orphans", "cancel")
    _, told = run.communicate(timeout=30)
    assert run.returncode == 0
    assert (place / "cancelled").read_text() == "7 8\n"
    assert "1 pending, 1 running" in told


def test_orphans_are_waited_for_otherwise(place):
    queue(place, "RUNNING")
    run = start(place)
    time.sleep(2)
    assert calls(place) == []
    (place / "queue").unlink()
    run.communicate(timeout=40)
    assert run.returncode == 0
    assert not (place / "cancelled").exists()


def test_a_second_launcher_is_refused(place):
    queue(place, "RUNNING")
    first = start(place)
    lock = place / "results/.locks/launcher"
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.05)
    second = start(place)
    _, told = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"another launcher runs in this checkout (process {first.pid}" in told
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (place / "queue").unlink()
    third = start(place)
    third.communicate(timeout=30)
    assert third.returncode == 0


def test_a_controller_that_outlives_its_launcher_keeps_others_out(place):
    (place / "hang-once").touch()
    first = start(place)
    while len(calls(place)) < 2:
        time.sleep(0.05)
    first.kill()
    first.communicate()
    second = start(place)
    _, told = second.communicate(timeout=30)
    assert second.returncode == 1
    alive = re.search(rf"process {first.pid} and its snakemake (\d+) on", told)
    assert alive
    os.kill(int(alive[1]), signal.SIGKILL)
    third = start(place)
    third.communicate(timeout=30)
    assert third.returncode == 0


def test_jobs_that_an_interrupted_controller_forgot_are_cancelled(place):
    (place / "hang-once").touch()
    run = start(place)
    while len(calls(place)) < 2:
        time.sleep(0.05)
    queue(place, "RUNNING", "PENDING")
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=30)
    assert run.returncode == 1
    assert told.endswith("its jobs are cancelled, and the same command goes on\n")
    assert (place / "cancelled").read_text() == "7 8\n"


def test_a_controller_that_lost_its_jobs_is_started_anew(place):
    (place / "hang-once").touch()
    run = start(place, "--patience", "0.03")
    _, told = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "waits for jobs that SLURM does not have" in told
    assert len(calls(place)) == 4


def test_jobs_of_other_checkouts_and_ended_ones_are_none_of_ours(place, tmp_path):
    queue(place, "RUNNING", folder=tmp_path)
    assert jobs_of(place) == []
    queue(place, "COMPLETED", "RUNNING")
    assert [job.number for job in jobs_of(place)] == ["8"]


def test_a_slurm_that_is_down_or_absent_is_one_sentence(place, monkeypatch):
    (place / "slurm-is-down").touch()
    with pytest.raises(
        PipelineError,
        match=r"does not answer here \(cannot connect\); start",
    ):
        jobs_of(place)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PipelineError, match=r"there is no squeue here; .* login node"):
        jobs_of(place)


def test_where_there_is_no_slurm_the_launcher_ends_in_a_sentence(place):
    (place / "slurm-is-down").touch()
    run = start(place)
    _, error = run.communicate(timeout=30)
    assert run.returncode == 1
    (line,) = error.strip().splitlines()
    assert line.startswith("error: SLURM does not answer here (cannot connect); start")
    assert not calls(place), "no Snakemake was started"


SAID = """\
Error in rule train_defense:
    message: SLURM-job '8' failed
    jobid: 4
    output: a, b
    log: results/demo/logs/train_defense/digits/at.log (check log file(s) for details)
Error in rule train_flow:
    jobid: 5
    log: results/demo/logs/train_flow/digits/glow.log
Finished jobid: 4 (Rule: train_defense)
5 of 9 steps (56%) done
"""


def read_summary() -> Summary:
    summary = Summary()
    for line in SAID.splitlines(keepends=True):
        summary.read(line)
    return summary


def test_a_summary_tells_what_failed_for_good_each_in_its_sentence(tmp_path):
    log = tmp_path / "results/demo/logs/train_flow/digits/glow.log"
    log.parent.mkdir(parents=True)
    log.write_text("12:00:01 resumed after step 2\n12:00:02 error: no room for it\n\n")
    assert read_summary().text(tmp_path).splitlines() == [
        "failed: train_flow digits/glow: no room for it",
        "    its log is results/demo/logs/train_flow/digits/glow.log",
        "     1 train_defense",
        "5 jobs done, 1 failed, 3 left",
    ]


def test_a_log_without_a_sentence_is_told_by_its_last_line(tmp_path):
    [failure] = read_summary().failed
    assert failure.sentence(tmp_path) == "it left no log"
    log = tmp_path / failure.log
    log.parent.mkdir(parents=True)
    log.write_text("Traceback (most recent call last):\n  …\nKeyError: 'at'\n")
    assert failure.sentence(tmp_path) == "KeyError: 'at'"
