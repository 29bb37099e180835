"""Several processes give what one gives, and end together however one of them ends."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from pipeline_steps.core import workers
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.rng import PartRng, rng
from pipeline_steps.core.tensors import read_tensors
from tests.job_words import job_words

TOGETHER = """
import sys
import torch
from torch import nn
from pipeline_steps.core import workers
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.core.settings import Settings
from pipeline_steps.core.step import run
from pipeline_steps.core.tensors import write_tensors

class Spec(Settings):
    failure: str

def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3),
        nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 5), nn.BatchNorm1d(5),
    )

def loss(model, images):
    # Through the same network twice, as recipes of two terms go.
    return model(images).square().mean() + model(1 - images).sigmoid().mean()

def main(job):
    workers.join(torch.device("cpu"))
    images = 5 + rng(0, "images").normal([8, 3, 6, 6])
    failure, model = job.spec.failure, network().train()
    mean_loss = workers.shared(model, loss)
    own = workers.share(len(images))
    if failure and own.start:
        raise {"bug": ZeroDivisionError("a bug"), "sentence": PipelineError("mend it")}[
            failure
        ]
    mean_loss(images[own]).backward()
    told = workers.mean(float(own.start)), workers.largest(own.start)
    if workers.part():
        gradients = {f"{n}.grad": p.grad for n, p in model.named_parameters()}
        told = {"told": torch.tensor(told)}
        write_tensors(job.output("whole"), model.state_dict() | gradients | told)
    return {}

if __name__ == "__main__":
    run("datasets.fetch_dataset", Spec, main, sys.argv[1:])
"""


@pytest.fixture
def together(tmp_path):
    """Runs the script above by so many processes."""
    (tmp_path / "together.py").write_text(TOGETHER)

    def together(processes, failure=""):
        module = ["pipeline_steps.core.torchrun", str(processes), "together"]
        command = [sys.executable, "-m", *(module if processes > 1 else module[2:])]
        outputs = [f"whole={processes}.safetensors"]
        step = "datasets.fetch_dataset"
        return subprocess.run(
            [*command, *job_words(step, {"failure": failure}, outputs)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"},
            stdin=listening,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    listening, speaking = os.pipe()
    yield together
    os.close(listening)
    os.close(speaking)


def test_gradients_and_statistics_are_those_of_the_whole_batch(together, tmp_path):
    whole = {}
    for processes in (1, 2):
        done = together(processes)
        assert done.returncode == 0, done.stderr
        whole[processes] = read_tensors(tmp_path / f"{processes}.safetensors")
    one, two = whole.values()
    assert one.pop("told").tolist() == [0, 0]
    assert two.pop("told").tolist() == [2, 4]
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(two[name], tensor, rtol=1e-5, atol=1e-6), name
    assert one["1.num_batches_tracked"] == two["1.num_batches_tracked"] == 2


def test_a_sentence_of_one_process_is_that_of_the_job(together, tmp_path, a_sentence):
    done = together(2, failure="sentence")
    assert done.returncode == 1
    assert a_sentence(done.stderr).endswith("error: mend it")
    assert {path.suffix for path in tmp_path.iterdir()} <= {".py", ""}


def test_a_bug_of_one_process_keeps_its_traceback(together):
    done = together(2, failure="bug")
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("error: process 2 of 2 crashed; what it said stands above")


def test_a_process_alone_is_left_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    loss = workers.shared(model, lambda model, images: model(images).mean())
    assert type(model[1]) is nn.BatchNorm2d
    images = rng(0).uniform([2, 3, 4, 4])
    assert torch.equal(loss(images), model(images).mean())
    assert workers.share(7) == slice(0, 7)
    assert (workers.mean(0.1), workers.largest(3)) == (0.1, 3)
    assert workers.part()


def test_parts_draw_what_the_whole_draws():
    whole, parts = rng(0), [(rng(0), slice(0, 4)), (rng(0), slice(4, 8))]
    for draw, shape in (("uniform", [3, 2]), ("normal", [5]), ("uniform", [])):
        expected = getattr(whole, draw)([8, *shape])
        drawn = [
            getattr(PartRng(stream, 8, rows), draw)([4, *shape])
            for stream, rows in parts
        ]
        assert torch.equal(torch.cat(drawn), expected)


def test_a_part_draws_for_its_images_alone():
    with pytest.raises(ValueError, match="4 images cannot fill"):
        PartRng(rng(0), 8, slice(0, 4)).uniform([8, 2])
