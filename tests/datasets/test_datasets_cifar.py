"""CIFAR's archives are read as published, and nothing inside them can run."""

import collections
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.config.resolve import Plan
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, make
from pipeline_steps.datasets.archives import load_arrays
from pipeline_steps.datasets.spec import DatasetSpec

TOY = DatasetSpec(name="toy", classes=10, size=32)
TRAIN, TEST = ["toy/batch_1", "toy/batch_2"], ["toy/test"]


def batch(count, seed, labels="labels"):
    draw = np.random.default_rng(seed)
    data = draw.integers(0, 256, (count, 3072)).astype(np.uint8)
    return {b"data": data, labels.encode(): [i % 10 for i in range(count)]}


def archive_of(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else pickle.dumps(content, 3)
            told = tarfile.TarInfo(name)
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return path


def cifar(train=TRAIN, test=TEST, **settings):
    given = {"address": "unused", "length": 1, "md5": "", "train": train, "test": test}
    return make("source", {"source": "cifar", **given, **settings})


@pytest.mark.parametrize("labels", ["labels", "fine_labels"])
def test_an_archive_gives_its_images_in_order(tmp_path, labels):
    batches = {
        name: batch(4, seed, labels) for seed, name in enumerate([*TRAIN, *TEST])
    }
    archive = archive_of(tmp_path / "toy.tar.gz", batches)
    splits = cifar(labels=labels).decode(archive, TOY)
    train = splits["train"]
    assert train.images.shape == (8, 3, 32, 32)
    assert train.images.dtype == np.uint8
    assert train.labels.tolist() == [0, 1, 2, 3] * 2
    # The published rows hold all of red first, row by row, then green, then blue.
    second = batches[TRAIN[1]][b"data"][0]
    assert (train.images[4, 1, 0] == second[1024 : 1024 + 32]).all()
    assert (splits["test"].images.reshape(4, -1) == batches[TEST[0]][b"data"]).all()


@pytest.mark.parametrize("member", [{}, {"toy/batch_1": batch(2, 0)}])
def test_an_archive_without_a_member_is_named(tmp_path, member):
    archive = archive_of(tmp_path / "toy.tar.gz", member)
    with pytest.raises(PipelineError, match=r"toy\.tar\.gz.? holds no toy/batch_"):
        cifar().decode(archive, TOY)


class Trap:
    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (Trap(), "posix.system"),
        ({b"data": Trap()}, "posix.system"),
        (eval, "eval"),
        (collections.OrderedDict(), "collections.OrderedDict"),
        (Path(), "pathlib"),
        (np.random.default_rng(0), "numpy.random"),
    ],
)
def test_nothing_but_arrays_is_unpickled(tmp_path, content, asked):
    archive = archive_of(tmp_path / "toy.tar.gz", {TRAIN[0]: content})
    with pytest.raises(
        PipelineError, match=f"batch_1 is no pickle.*asks for .*{asked}"
    ):
        cifar().decode(archive, TOY)


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_and_plain_containers_are_admitted(protocol):
    content = {b"data": np.arange(6.0).reshape(2, 3), b"labels": [1, 2], b"name": "x"}
    file = io.BytesIO(pickle.dumps(content, protocol))
    back = load_arrays(file, "toy")
    assert (back.pop(b"data") == content.pop(b"data")).all()
    assert back == content


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_pickle_is_one_sentence(share):
    content = pickle.dumps(batch(2, 0), 3)
    with pytest.raises(PipelineError, match="toy is no pickle of plain arrays"):
        load_arrays(io.BytesIO(content[: int(share * len(content))]), "toy")


def test_a_setting_that_names_no_part_of_a_batch_is_one_sentence(tmp_path):
    batches = {name: batch(4, 0) for name in [*TRAIN, *TEST]}
    archive = archive_of(tmp_path / "toy.tar.gz", batches)
    with pytest.raises(PipelineError, match="fine_labels"):
        cifar(labels="fine_labels").decode(archive, TOY)


def test_the_published_archive_gives_what_the_config_says():
    """Only where it was put: no test fetches 170 MB."""
    archive = ROOT / "data" / "downloads" / "cifar10.archive"
    if not archive.is_file():
        pytest.skip("the published archive is not here")
    spec = Plan(load_config("paper")).source("cifar10")
    splits = make("source", spec.source).decode(archive, spec.dataset)
    assert splits["train"].images.shape == (50_000, 3, 32, 32)
    assert np.bincount(splits["test"].labels).tolist() == [1000] * 10
