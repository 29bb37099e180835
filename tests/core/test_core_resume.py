"""A run that was stopped anywhere ends as one that was never stopped."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline_steps.core.errors import Interrupted, PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.rng import rng

TOTAL = 7
OPTIMISERS = {
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "adam": lambda model: torch.optim.Adam(model.parameters(), lr=0.1),
    "adamax": lambda model: torch.optim.Adamax(model.parameters(), lr=0.1),
}


def train(folder, optimiser="sgd", width=3, stop_after=None, how=signal.SIGTERM):
    """A toy training: its weights and the loss of each step."""
    model = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    steps = OPTIMISERS[optimiser](model)
    losses = []
    parts = {"model": model, "optimiser": steps, "losses": losses}
    for step, _ in Resume(folder).steps(parts, TOTAL, "toy"):
        loss = (model(rng(0, "toy", step).normal([6, 4])) ** 3).sum()
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
        if step == stop_after:
            os.kill(os.getpid(), how)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}, losses


def same(one, other):
    assert one[1] == other[1]
    assert all(torch.equal(one[0][name], other[0][name]) for name in one[0])


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("step", range(TOTAL))
def test_a_run_stopped_after_any_step_ends_as_an_uninterrupted_one(
    tmp_path, optimiser, step
):
    uninterrupted = train(tmp_path / "whole", optimiser)
    with pytest.raises(Interrupted, match=f"saved after step {step + 1} of {TOTAL}"):
        train(tmp_path / "cut", optimiser, stop_after=step)
    same(train(tmp_path / "cut", optimiser), uninterrupted)


def test_a_run_stopped_after_every_step_ends_as_an_uninterrupted_one(tmp_path):
    for step in range(TOTAL):
        with pytest.raises(Interrupted):
            train(tmp_path / "cut", stop_after=step, how=signal.SIGUSR1)
    same(train(tmp_path / "cut"), train(tmp_path / "whole"))


def test_the_state_is_saved_as_often_as_asked(tmp_path, monkeypatch):
    train(tmp_path / "rarely")
    assert not (tmp_path / "rarely").exists()
    monkeypatch.setenv("PIPELINE_SAVE_SECONDS", "0")
    train(tmp_path / "often")
    assert [path.name for path in (tmp_path / "often").iterdir()] == [
        "state.safetensors"
    ]


def test_signals_are_handled_as_before_once_the_run_is_over(tmp_path):
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1)]
    train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", stop_after=2)
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1)] == before


@pytest.fixture
def stopped(tmp_path):
    """The state of a run that was stopped midway."""
    with pytest.raises(Interrupted):
        train(tmp_path, stop_after=3)
    return tmp_path / "state.safetensors"


def flip(path, byte, bit=0):
    """One bit of a file, as a disk may do it."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def starts_anew(folder, capfd):
    """Says so in one line, and ends as a run that was never stopped."""
    same(train(folder), train(folder / "whole"))
    said = capfd.readouterr().err.splitlines()
    assert sum("is damaged" in line and "starts anew" in line for line in said) == 1
    assert not any("resumed" in line for line in said)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_state_that_was_cut_is_not_gone_on_from(stopped, share, capfd):
    content = stopped.read_bytes()
    stopped.write_bytes(content[: int(share * len(content))])
    starts_anew(stopped.parent, capfd)


def test_a_flipped_bit_anywhere_in_a_state_is_noticed(stopped, capfd):
    """In its head, in what it says of itself and in its weights."""
    content = stopped.read_bytes()
    for byte in range(0, len(content), max(1, len(content) // 97)):
        stopped.parent.mkdir(exist_ok=True)
        stopped.write_bytes(content)
        flip(stopped, byte, byte % 8)
        train(stopped.parent)
        said = capfd.readouterr().err
        assert "starts anew" in said and "resumed" not in said, byte


@pytest.mark.parametrize("content", [{"a": torch.ones(1)}, {}])
def test_tensors_that_are_no_state_are_not_gone_on_from(stopped, content, capfd):
    save_file(content, stopped)
    starts_anew(stopped.parent, capfd)


@pytest.mark.parametrize("damage", [flip, lambda path, _: path.unlink()])
def test_files_kept_beside_a_state_are_part_of_it(tmp_path, damage, capfd):
    kept = tmp_path / "batch-1/images.npy"
    kept.parent.mkdir()
    kept.write_bytes(bytes(100))
    with pytest.raises(Interrupted):
        train(tmp_path, stop_after=3)
    damage(kept, 50)
    train(tmp_path)
    said = capfd.readouterr().err
    assert "batch-1/images.npy beside it is not as it was saved" in said
    assert "starts anew" in said


def test_files_written_after_a_save_do_not_damage_it(tmp_path, capfd):
    """They are written again by the steps that are done again."""
    with pytest.raises(Interrupted):
        train(tmp_path, stop_after=3)
    (tmp_path / "later").write_bytes(b"half")
    (tmp_path / ".images.npy.x8sdf_aa").touch()
    train(tmp_path)
    assert "resumed after step 4" in capfd.readouterr().err


def test_a_state_that_the_system_does_not_read_is_kept(stopped):
    """It may be whole: another machine, or a better moment, reads it."""
    stopped.rename(stopped.with_name("away"))
    stopped.symlink_to(stopped.with_name("away"))
    stopped.with_name("away").chmod(0)
    if os.access(stopped, os.R_OK):
        pytest.skip("root reads every file")
    with pytest.raises(PipelineError, match="could not be read"):
        train(stopped.parent)


FITS_NOT = r"(?s)state.safetensors does not fit this run.*delete its folder"


def test_the_state_of_another_network_is_one_sentence(stopped):
    with pytest.raises(PipelineError, match=FITS_NOT):
        train(stopped.parent, width=4)


PROGRAM = """
import sys, time
from pathlib import Path
from pipeline_steps.core.settings import Settings
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.step import run
from tests.job_words import job_words

class Spec(Settings):
    pass

def main(job):
    done = []
    for step, _ in Resume(job.scratch).steps({"done": done}, 200, "toy"):
        print(step, flush=True)
        time.sleep(0.01)
        done.append(step)
    job.output("done").write_text(str(done))
    return {}

run("core.resume", Spec, main, job_words("core.resume", {}, ["done=done.txt"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_ends_in_a_status_of_its_own(tmp_path, number):
    def start():
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    stopped = start()
    while stopped.stdout.readline().strip() != "20":
        pass
    stopped.send_signal(number)
    rest, told = stopped.communicate(timeout=60)
    assert stopped.returncode == 75
    assert f"{number.name}: saved after step" in told
    assert "Traceback" not in told
    assert not (tmp_path / "done.txt").exists()
    last = int(rest.split()[-1]) if rest.split() else 20
    resumed = start()
    again, _ = resumed.communicate(timeout=60)
    assert resumed.returncode == 0
    assert int(again.split()[0]) == last + 1
    assert (tmp_path / "done.txt").read_text() == str(list(range(200)))
