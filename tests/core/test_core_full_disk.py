"""A full disk ends in one sentence, and what was on it before is still there."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import disk_is_full, sha256, write_json
from pipeline_steps.core.tensors import write_tensors

KILOBYTES = 256


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system that is soon full."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this machine lets no small file system be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


LARGE = {
    "array.npy": lambda path: write_array(path, np.zeros(KILOBYTES << 10, np.float32)),
    "tensors.safetensors": lambda path: write_tensors(
        path, {"weight": torch.zeros(KILOBYTES << 10)}
    ),
    "facts.json": lambda path: write_json(path, "x" * (2 * KILOBYTES << 10)),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_file_that_does_not_fit_leaves_the_disk_as_it_was(tiny_disk, name):
    (tiny_disk / name).write_text("earlier")
    with pytest.raises((PipelineError, SafetensorError)):
        LARGE[name](tiny_disk / name)
    assert [path.name for path in tiny_disk.iterdir()] == [name]
    assert (tiny_disk / name).read_text() == "earlier"


@pytest.mark.parametrize("name", LARGE)
def test_a_full_disk_is_known_as_one_whatever_library_met_it(tiny_disk, name):
    with pytest.raises((PipelineError, SafetensorError)) as caught:
        LARGE[name](tiny_disk / name)
    told = isinstance(caught.value, PipelineError)
    assert (
        "the disk is full" in str(caught.value) if told else disk_is_full(caught.value)
    )


DIGITS = {
    "source": "digits",
    "digest": "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
}
SPLITS = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.fixture
def build_on_tiny_disk(tiny_disk, tmp_path, run_step):
    """A real step whose outputs do not fit, over those of an earlier run."""
    fetch = {
        "dataset": {"name": "digits", "classes": 10, "size": 16},
        "source": DIGITS,
    }
    spec = {**fetch, "cut": {"share": 0.3}}
    fetched = {"archive": tmp_path / "archive", "card": tmp_path / "archive.json"}
    assert run_step("datasets.fetch_dataset", fetch, fetched).returncode == 0
    outputs = {role: tiny_disk / f"{role}.npy" for role in (*SPLITS, "card")}
    for place in outputs.values():
        place.write_text(f"earlier {place.name}")
    inputs = {"archive": fetched["archive"], "archive_card": fetched["card"]}
    ended = run_step("datasets.build_dataset", spec, outputs, inputs=inputs)
    return ended, outputs


def test_a_step_on_a_full_disk_keeps_the_earlier_result(
    build_on_tiny_disk, tiny_disk, a_sentence
):
    ended, outputs = build_on_tiny_disk
    assert ended.returncode == 1
    assert a_sentence(ended.stderr)
    assert {p.name for p in tiny_disk.iterdir()} == {p.name for p in outputs.values()}
    assert all(p.read_text() == f"earlier {p.name}" for p in outputs.values())


def test_a_step_on_a_full_disk_says_so(build_on_tiny_disk, a_sentence):
    assert "the disk is full" in a_sentence(build_on_tiny_disk[0].stderr)


def test_a_fetch_onto_a_full_disk_asks_for_space(
    tiny_disk, tmp_path, run_step, a_sentence
):
    archive = tmp_path / "mirror" / "archive.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(bytes(2 * KILOBYTES << 10))
    file = {
        "name": archive.name,
        "length": archive.stat().st_size,
        "digest": f"sha256:{sha256(archive)}",
    }
    spec = {
        "dataset": {"name": "toy", "classes": 10, "size": 32},
        "source": {
            "source": "cifar",
            "files": [file],
            "train": [],
            "test": [],
            "names": "names",
        },
    }
    outputs = {"archive": tiny_disk / "archive", "card": tiny_disk / "card.json"}
    mirror = {"DATASETS_MIRROR": str(archive.parent)}
    ended = run_step("datasets.fetch_dataset", spec, outputs, environment=mirror)
    assert ended.returncode == 1
    assert list(tiny_disk.iterdir()) == []
    assert "the disk is full" in a_sentence(ended.stderr)
