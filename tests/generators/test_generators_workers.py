"""A flow trained by several processes is the one that a single process trains."""

import numpy as np
import pytest
import torch

from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.tensors import read_tensors

STEP = "generators.train_flow"
ROLES = {
    "weights": "weights.safetensors",
    "history": "history.csv",
    "card": "card.json",
    "record": "record.json",
}


def spots(count, seed):
    """Pictures of one bright spot each, anywhere."""
    places = np.random.default_rng(seed).uniform(1, 7, [2, count, 1])
    rows, columns = np.exp(-0.5 * (np.arange(8) - places) ** 2)
    grey = 255 * rows[:, None, :, None] * columns[:, None, None, :]
    return np.repeat(grey, 3, axis=1).astype(np.uint8)


@pytest.fixture
def trained(tmp_path, run_step):
    """Trains a small flow by so many processes: its status, its words, its folder."""
    files = {"data": tmp_path / "train.npy", "test": tmp_path / "test.npy"}
    for seed, path in enumerate(files.values()):
        write_array(path, spots(96, seed))
    facts = {
        "train_images": file_facts(files["data"]),
        "test_images": file_facts(files["test"]),
    }
    card = tmp_path / "card.json"
    Card("datasets.build_dataset", {}, {}, {}, facts).seen_from(card.parent).write(card)

    def trained(processes, **training):
        model = {"name": "tiny", "generator": "glow", "steps": 1, "width": 8}
        usual = {"epochs": 3, "batch": 16, "learning_rate": 0.01, "warm_up": 5}
        spec = {
            "dataset": {"name": "spots", "classes": 2, "size": 8, "channels": 3},
            "model": model | {"size": 8, "channels": 3},
            "training": usual | training,
            "seed": 0,
        }
        folder = tmp_path / str(processes)
        folder.mkdir()
        inputs = files | {f"{name}_card": card for name in files}
        ended = run_step(
            STEP, spec, ROLES, inputs=inputs, processes=processes, folder=folder
        )
        return ended.returncode, ended.stderr, folder

    return trained


def test_two_processes_train_what_one_does(trained):
    """Weights alike after eighteen steps, actnorm's first fit included."""
    weights, bits = [], []
    for processes in (1, 2):
        status, told, folder = trained(processes)
        assert status == 0, told
        weights.append(read_tensors(folder / ROLES["weights"]))
        lines = (folder / ROLES["history"]).read_text().splitlines()[1:]
        bits.append([float(line.split(",")[1]) for line in lines])
    one, two = weights
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(two[name], tensor, rtol=0, atol=1e-5), name
    assert bits[0] == pytest.approx(bits[1], abs=1e-5)


def test_a_rate_too_high_is_one_sentence_of_both(trained, a_sentence):
    status, told, folder = trained(2, learning_rate=1e6, warm_up=0)
    assert status == 1
    assert "the flow's likelihood became" in a_sentence(told)
    assert {path.name for path in folder.iterdir()} <= {"results"}
