"""SVHN's files for MATLAB are read as published, where 10 stands for the digit 0."""

import numpy as np
import pytest
from datasets_house import tar_of
from scipy.io import savemat

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.datasets.canonical import SPLITS, check
from pipeline_steps.jobs.specs import Specs

SPEC = Specs(load_config("paper")).source("svhn")
FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def numbers(seed, count=30):
    """As published: height, width, colour, image; and labels of 1 to 10 in a column."""
    images = np.random.default_rng(seed).integers(0, 256, (32, 32, 3, count))
    labels = np.arange(count)[:, None] % 10 + 1
    return {"X": images.astype(np.uint8), "y": labels.astype(np.uint8)}


@pytest.fixture
def pack(tmp_path):
    def pack(train, test, compressed=True):
        members = {}
        for split, content in (("train", train), ("test", test)):
            path = tmp_path / FILES[split]
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                savemat(path, content, do_compression=compressed)
            members[FILES[split]] = path.read_bytes()
        (tmp_path / "pack").write_bytes(tar_of(members, "w"))
        return tmp_path / "pack"

    return pack


def decode(path):
    return make("source", SPEC.source).decode(path, SPEC.dataset)


@pytest.mark.parametrize("compressed", [True, False])
def test_images_and_labels_are_as_published(pack, compressed):
    train, test = numbers(0), numbers(1, 20)
    decoded = decode(pack(train, test, compressed))
    for split, content in zip(SPLITS, (train, test), strict=True):
        found = decoded.splits[split]
        check(found, SPEC.dataset, split)
        assert (found.images[7, 2] == content["X"][:, :, 2, 7]).all()
        assert found.labels.tolist() == [y % 10 for y in content["y"].ravel().tolist()]
    assert decoded.splits["train"].labels[9] == 0, "published as 10"
    assert decoded.names == [str(digit) for digit in range(10)]


def test_torchvision_reads_the_same(pack, tmp_path, monkeypatch):
    from pipeline_steps.core.torchvision_ops import KEPT_ALIVE  # noqa: F401

    from torchvision.datasets import SVHN  # isort: skip

    path = pack(numbers(0), numbers(1))
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    for split in SPLITS:
        theirs, ours = SVHN(str(tmp_path), split), decode(path).splits[split]
        assert (theirs.data == ours.images).all()
        assert (theirs.labels == ours.labels).all()


V73 = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384)
BROKEN = {
    "nothing": (b"", "is damaged, or not a MATLAB file"),
    "noise": (bytes(range(256)) * 9, "train_32x32.mat is "),
    "the form of MATLAB 7.3": (V73, "is not in SVHN's form: Please use HDF reader"),
    "no labels": ({"X": numbers(0)["X"]}, "is not in SVHN's form: 'y'"),
    "cells": (
        {"X": np.array([[1, "a"]], object), "y": [1]},
        "X is not an array of images",
    ),
    "structs": ({"X": {"a": 1}, "y": [1]}, "X is not an array of images"),
    "text": ({"X": "rm -rf", "y": "x"}, "X is not an array of images"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_another_file_is_one_sentence(pack, kind):
    content, told = BROKEN[kind]
    with pytest.raises(PipelineError, match=r"train_32x32\.mat") as caught:
        decode(pack(content, numbers(0)))
    assert told in str(caught.value)


def test_a_file_cut_short_is_one_sentence(pack, tmp_path):
    path = pack(numbers(0), numbers(1))
    whole = (tmp_path / FILES["train"]).read_bytes()
    for share in (0.1, 0.5, 0.99):
        path = pack(whole[: int(share * len(whole))], numbers(1))
        with pytest.raises(PipelineError, match=r"train_32x32\.mat"):
            decode(path)
