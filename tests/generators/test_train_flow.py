"""A flow learns, and ends in the same bytes however often it was stopped."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline_steps.cluster.work import Work
from pipeline_steps.core import pace
from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.card import Card, file_facts, read_card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.step import INTERRUPTED, run
from pipeline_steps.generators import train_flow as step
from pipeline_steps.generators.flow_layers import AffineCoupling
from pipeline_steps.generators.generator import load_generator
from pipeline_steps.generators.spec import FlowSpec
from tests.job_words import job_words
from tests.pretended_gpu import pretended

CPU = torch.device("cpu")
ROLES = ("weights", "history", "card", "record")


def blobs(count, size=8, seed=0):
    """Pictures with structure: one bright spot each, anywhere."""
    stream = np.random.default_rng(seed)
    place = np.arange(size)
    centers = stream.uniform(1, size - 1, [2, count, 1])
    rows, columns = np.exp(-0.5 * (place - centers) ** 2)
    grey = 255 * rows[:, None, :, None] * columns[:, None, None, :]
    return np.repeat(grey, 3, axis=1).astype(np.uint8)


def spec_of(size=8, steps=1, width=8, seed=0, **training):
    usual = {"epochs": 3, "batch": 16, "learning_rate": 0.01, "warm_up": 5}
    model = {"name": "tiny", "generator": "glow", "steps": steps, "width": width}
    return FlowSpec.model_validate(
        {
            "dataset": {"name": "blobs", "classes": 2, "size": size, "channels": 3},
            "model": model | {"size": size, "channels": 3},
            "training": usual | training,
            "seed": seed,
        }
    )


@dataclass
class Workshop:
    """A folder with a data set, in which the step can be run."""

    folder: Path

    def arguments(self, spec: FlowSpec, out: str) -> list[str]:
        inputs = {
            "data": "train.npy",
            "data_card": "card.json",
            "test": "test.npy",
            "test_card": "card.json",
        }
        endings = dict(zip(ROLES, ("safetensors", "csv", "json", "json"), strict=True))
        places = [f"{role}={out}/{role}.{endings[role]}" for role in ROLES]
        return job_words("generators.train_flow", spec, places, inputs)

    def start(self, spec: FlowSpec, out: str) -> subprocess.Popen:
        python_path = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", step.__name__, *self.arguments(spec, out)],
            cwd=self.folder,
            env=os.environ | python_path | {"PIPELINE_SAVE_SECONDS": "0.05"},
            stderr=subprocess.PIPE,
            text=True,
        )

    def bytes_of(self, out: str) -> dict[str, bytes]:
        files = sorted((self.folder / out).iterdir())
        return {f.name: f.read_bytes() for f in files if f.stem != "record"}

    def saved(self) -> bool:
        return any(self.folder.glob("results/.unfinished/*/state.safetensors"))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow")
    write_array(folder / "train.npy", blobs(96))
    write_array(folder / "test.npy", blobs(40, seed=1))
    outputs = {
        "train_images": file_facts(folder / "train.npy"),
        "test_images": file_facts(folder / "test.npy"),
    }
    Card("datasets.build_dataset", {}, {}, {}, outputs).seen_from(folder).write(
        folder / "card.json"
    )
    return Workshop(folder)


LONG = spec_of(epochs=40, ema=0.9, weight_decay=1e-4)


@pytest.fixture(scope="module")
def undisturbed(workshop):
    process = workshop.start(LONG, "undisturbed")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    return workshop.bytes_of("undisturbed")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_training_ends_in_the_same_bytes(workshop, undisturbed, number):
    out = number.name
    process = workshop.start(LONG, out)
    while not workshop.saved() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.3))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert (
        process.returncode
        == {
            signal.SIGKILL: -signal.SIGKILL,
            signal.SIGTERM: INTERRUPTED,
        }[number]
    )
    assert not (workshop.folder / out / "weights.safetensors").exists()

    again = workshop.start(LONG, out)
    _, told = again.communicate(timeout=60)
    assert again.returncode == 0, told
    assert "resumed after step" in told
    assert workshop.bytes_of(out) == undisturbed
    assert not workshop.saved()


def test_step_tells_what_it_measured(workshop, undisturbed):
    card = read_card(workshop.folder / "undisturbed" / "card.json")
    assert set(card.metrics) == {
        "bits_per_dimension",
        "worst_error",
        "worst_error_of_mixtures",
        "parameters",
        "latent_dimensions",
    }
    assert 0 < card.metrics["worst_error"] < 1e-4
    assert 0 < card.metrics["worst_error_of_mixtures"] < 1e-4
    assert card.metrics["latent_dimensions"] == 192
    history = undisturbed["history.csv"].decode().splitlines()
    assert history[0] == "epoch,bits_per_dimension,worst_error"
    assert len(history) == 41
    assert all(0 < float(row.split(",")[2]) < 1e-4 for row in history[1:])
    weights = workshop.folder / "undisturbed" / "weights.safetensors"
    model = load_generator(LONG.model, weights)
    images = torch.from_numpy(blobs(4)).float() / 255
    assert (model.decode(model.encode(images)) - images).abs().max() < 1e-4


def test_training_lowers_the_bits(tmp_path):
    images = torch.from_numpy(blobs(128))
    spec = spec_of(epochs=20, steps=2, width=16)
    _, history = step.train_flow(spec, images, tmp_path, CPU)
    bits = history["bits_per_dimension"]
    assert bits[-1] < bits[0] - 1


def test_same_seed_gives_the_same_weights(tmp_path):
    images = torch.from_numpy(blobs(50))
    first, second, other = (
        step.train_flow(spec_of(seed=seed, epochs=2), images, tmp_path / name, CPU)[0]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    pairs = zip(first.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_average_of_weights_forgets_how_it_began():
    line = torch.nn.Linear(1, 1, bias=False)
    average = step.Average(line, 0.3)
    expected = 0.0
    for k, weight in enumerate([1.0, 2.0, 4.0, 8.0]):
        line.weight.data.fill_(weight)
        average.update_parameters(line)
        most = min(0.3, (1 + k) / (10 + k)) if k else 0.0
        expected = most * expected + (1 - most) * weight
        assert float(average.module.weight.detach()) == pytest.approx(expected)


def test_what_is_kept_is_the_average_and_what_learns_is_not(tmp_path):
    images = torch.from_numpy(blobs(64))
    plain, slow = (
        step.train_flow(spec_of(ema=ema), images, tmp_path / str(ema), CPU)
        for ema in (0.0, 0.9)
    )
    told = "bits_per_dimension"
    assert plain[1][told] == slow[1][told]
    pairs = zip(plain[0].parameters(), slow[0].parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_weight_decay_holds_weights_back(tmp_path):
    images = torch.from_numpy(blobs(64))
    free, held = (
        step.train_flow(spec_of(weight_decay=w), images, tmp_path / str(w), CPU)[0]
        for w in (0.0, 1.0)
    )
    sizes = [
        sum(float(m.second.weight.detach().square().sum()) for m in couplings(model))
        for model in (free, held)
    ]
    assert sizes[1] < 0.9 * sizes[0]


def couplings(model):
    return [m for m in model.modules() if isinstance(m, AffineCoupling)]


def test_a_set_smaller_than_a_batch_is_one_batch(tmp_path):
    images = torch.from_numpy(blobs(5))
    _, history = step.train_flow(spec_of(epochs=2), images, tmp_path, CPU)
    assert len(history["bits_per_dimension"]) == 2


def test_a_rate_too_high_ends_in_one_sentence(workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop.folder)
    spec = spec_of(epochs=5, learning_rate=1e6, warm_up=0)
    with pytest.raises(SystemExit, match="1"):
        arguments = workshop.arguments(spec, "broken")
        run("generators.train_flow", FlowSpec, step.main, arguments)
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "error: the flow's likelihood became" in told
    assert "at step" in told and "learning rate 1e+06" in told
    assert "lower learning_rate, or raise warm_up" in told
    assert not list((workshop.folder / "broken").iterdir())


@pytest.mark.parametrize("error", [2e-3, float("nan"), float("inf")])
def test_a_flow_that_does_not_reconstruct_is_refused(error):
    with pytest.raises(PipelineError, match="lower learning_rate"):
        step.check_error(error, "on test images")


def test_images_of_another_size_are_refused(tmp_path):
    write_array(tmp_path / "other.npy", blobs(4, size=16))
    with pytest.raises(PipelineError, match=r"other.npy holds uint8 of shape"):
        step.read_images(tmp_path / "other.npy", spec_of(size=8))


def test_rate_rises_and_falls():
    training = spec_of(learning_rate=1.0, warm_up=9).training
    rates = [step.learning_rate(training, k, 100) for k in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(0.91)
    assert 0 < rates[-1] < 0.02


def test_a_limit_of_steps_ends_the_training_and_its_history(tmp_path):
    images = torch.from_numpy(blobs(70))
    spec = spec_of().model_copy(update={"steps": 2})
    pace.forget()
    _, history = step.train_flow(spec, images, tmp_path, CPU)
    assert [len(values) for values in history.values()] == [1, 1]
    done = {unit: kind["done"] for unit, kind in pace.facts()["pace"].items()}
    assert done == {"steps": 2, "ends of epochs": 1}
    assert done == Work("train_flow", spec.model_dump(mode="json"), 70, 0).units()
    whole = Work("train_flow", spec_of().model_dump(mode="json"), 70, 0).units()
    assert whole == {"steps": 12, "ends of epochs": 3}


def test_on_a_gpu_it_ends_in_the_same_bytes_and_a_step_waits_once(
    workshop, monkeypatch
):
    monkeypatch.chdir(workshop.folder)
    waits = []
    for steps in (2, 5):
        spec = spec_of(ema=0.9, weight_decay=1e-4).model_copy(update={"steps": steps})
        here, there = f"cpu-{steps}", f"gpu-{steps}"
        run(
            "generators.train_flow", FlowSpec, step.main, workshop.arguments(spec, here)
        )
        arguments = workshop.arguments(spec, there)
        with pretended() as gpu:
            run("generators.train_flow", FlowSpec, step.main, arguments)
        assert workshop.bytes_of(here) == workshop.bytes_of(there)
        waits.append(gpu.waits)
    assert (waits[1] - waits[0]).total() == 3, waits[1] - waits[0]
