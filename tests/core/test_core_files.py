"""Files are whole or absent, and what is read is checked before it is believed."""

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from pipeline_steps.core.arrays import read_array, write_array
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, sha256, write_json, writing
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.tensors import read_tensors, write_tensors

READERS = {".safetensors": read_tensors, ".npy": read_array, ".json": read_json}


def write_something(path):
    if path.suffix == ".npy":
        write_array(path, np.arange(600.0))
    elif path.suffix == ".safetensors":
        write_tensors(path, {"weight": torch.arange(600.0)})
    else:
        write_json(path, {"numbers": list(range(600))})


def everything_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_appears_whole_with_the_rights_that_any_new_file_has(tmp_path):
    with writing(tmp_path / "deep" / "file.txt") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "deep" / "file.txt").exists()
    (tmp_path / "plain").touch()
    assert everything_in(tmp_path / "deep") == {"file.txt": b"whole"}
    modes = [(tmp_path / name).stat().st_mode for name in ("deep/file.txt", "plain")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("earlier", [None, b"earlier"])
def test_a_failure_midway_leaves_what_was_there(tmp_path, earlier):
    place = tmp_path / "file.txt"
    if earlier:
        place.write_bytes(earlier)
    with pytest.raises(RuntimeError, match="midway"), writing(place) as partial:
        partial.write_text("half of")
        raise RuntimeError("midway")
    assert everything_in(tmp_path) == ({"file.txt": earlier} if earlier else {})


def test_a_kill_midway_leaves_the_earlier_file_as_it_was(tmp_path):
    place = tmp_path / "file.txt"
    place.write_text("earlier")
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from pipeline_steps.core.files import writing\n"
        "with writing(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half of'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program, place], env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert place.read_text() == "earlier"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(PipelineError, match=r"below\.txt could not be written"),
        writing(tmp_path / "file" / "below.txt"),
    ):
        pass


def test_equal_content_gives_equal_json(tmp_path):
    write_json(tmp_path / "one", {"b": 1, "a": {"d": 2, "c": "é"}})
    write_json(tmp_path / "two", {"a": {"c": "é", "d": 2}, "b": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_tensors_and_arrays_come_back_as_they_were(tmp_path):
    shared = torch.arange(12.0).reshape(3, 4)
    tensors = {"rows": shared[:2], "turned": shared.T, "count": torch.tensor(3)}
    write_tensors(tmp_path / "a.safetensors", tensors, {"about": "them"})
    back = read_tensors(tmp_path / "a.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    write_array(tmp_path / "a.npy", array)
    assert np.array_equal(read_array(tmp_path / "a.npy"), array)


def test_equal_tensors_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        write_tensors(tmp_path / name, {"b": torch.ones(2), "a": torch.zeros(3)})
    assert sha256(tmp_path / "one") == sha256(tmp_path / "two")


def sentence_of(read, path):
    with pytest.raises(PipelineError) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text
    return text


@pytest.mark.parametrize("suffix", READERS)
def test_a_missing_file_is_one_sentence(tmp_path, suffix):
    text = sentence_of(READERS[suffix], tmp_path / f"file{suffix}")
    assert "is missing; build it, or pull it" in text


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", READERS)
def test_a_truncated_file_is_one_sentence_with_a_remedy(tmp_path, suffix, share):
    path = tmp_path / f"file{suffix}"
    write_something(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "delete it" in sentence_of(READERS[suffix], path)


@pytest.mark.parametrize("suffix", READERS)
def test_noise_in_place_of_a_file_is_one_sentence(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(4096))
    assert "delete it" in sentence_of(READERS[suffix], path)


class Trap:
    """What runs where a pickle is trusted."""

    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


@pytest.mark.parametrize(
    ("suffix", "way"),
    [
        (".safetensors", "pickle"),
        (".safetensors", "torch.save"),
        (".safetensors", "object array"),
        (".npy", "pickle"),
        (".npy", "torch.save"),
        (".npy", "object array"),
    ],
)
def test_no_pickle_is_ever_opened(tmp_path, monkeypatch, suffix, way):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    path = tmp_path / f"file{suffix}"
    with path.open("wb") as file:
        if way == "pickle":
            pickle.dump(Trap(), file)
        elif way == "torch.save":
            torch.save({"weight": Trap()}, file)
        else:
            np.save(file, np.array([Trap()], dtype=object), allow_pickle=True)
    assert "delete it" in sentence_of(READERS[suffix], path)
    assert not (tmp_path / "sprung").exists()
