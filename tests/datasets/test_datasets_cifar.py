"""CIFAR's archives are read as published, and nothing inside them can run."""

import collections
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets_house import md5, tar_of

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.torchvision_ops import KEPT_ALIVE  # noqa: F401
from pipeline_steps.datasets.archives import load_arrays
from pipeline_steps.datasets.canonical import SPLITS, check
from pipeline_steps.datasets.spec import DatasetSpec
from pipeline_steps.jobs.specs import Specs

TOY = DatasetSpec(name="toy", classes=10, size=32)
TRAIN, TEST = ["toy/batch_1", "toy/batch_2"], ["toy/test"]
NAMES = [f"class {i}".encode() for i in range(10)]


def batch(count, seed, labels="labels"):
    draw = np.random.default_rng(seed)
    data = draw.integers(0, 256, (count, 3072)).astype(np.uint8)
    return {b"data": data, labels.encode(): [i % 10 for i in range(count)]}


def toy(labels="labels", **changes):
    members = {name: batch(4, seed, labels) for seed, name in enumerate(TRAIN + TEST)}
    names = f"{labels.removesuffix('s')}_names".encode()
    return members | {"toy/meta": {names: NAMES}} | changes


def written(path, members):
    path.write_bytes(tar_of(members))
    return path


def cifar(train=TRAIN, test=TEST, **settings):
    given = {"files": [], "train": train, "test": test, "names": "toy/meta"}
    return make("source", {"source": "cifar", **given, **settings})


@pytest.mark.parametrize("labels", ["labels", "fine_labels"])
def test_an_archive_gives_its_images_in_order(tmp_path, labels):
    members = toy(labels)
    decoded = cifar(labels=labels).decode(written(tmp_path / "toy.tar", members), TOY)
    train, test = (decoded.splits[name] for name in SPLITS)
    assert train.images.shape == (8, 3, 32, 32)
    assert train.images.dtype == np.uint8
    assert train.labels.tolist() == [0, 1, 2, 3] * 2
    # The published rows hold all of red first, row by row, then green, then blue.
    second = members[TRAIN[1]][b"data"][0]
    assert (train.images[4, 1, 0] == second[1024 : 1024 + 32]).all()
    assert (test.images.reshape(4, -1) == members[TEST[0]][b"data"]).all()
    assert decoded.names == [f"class {i}" for i in range(10)]


@pytest.mark.parametrize("members", [{}, {"toy/batch_1": batch(2, 0)}])
def test_an_archive_without_a_member_is_named(tmp_path, members):
    archive = written(tmp_path / "toy.tar", members)
    with pytest.raises(PipelineError, match=r"toy\.tar.? holds no toy/batch_"):
        cifar().decode(archive, TOY)


class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


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
def test_nothing_but_arrays_is_unpickled(tmp_path, monkeypatch, content, asked):
    monkeypatch.chdir(tmp_path)
    archive = written(tmp_path / "toy.tar", {TRAIN[0]: content})
    with pytest.raises(
        PipelineError, match=f"batch_1 is not a pickle.*refers to .*{asked}"
    ):
        cifar().decode(archive, TOY)
    assert not (tmp_path / "trapped").exists()


def test_nothing_is_unpickled_before_its_checksum_held(tmp_path, run_step, a_sentence):
    """A pickle that would run code, in the place of a published one, ends the fetch."""
    mirror = tmp_path / "mirror" / "toy"
    mirror.mkdir(parents=True)
    holds = {}
    for name, content in toy().items():
        honest = pickle.dumps(content, 3)
        holds[name] = md5(honest)
        (mirror.parent / name).write_bytes(honest)
    (mirror / "batch_2").write_bytes(pickle.dumps(Trap()))
    source = cifar_spec([{"name": "toy.tar.gz", "holds": holds}])
    outputs = {"archive": tmp_path / "a", "card": tmp_path / "a.json"}
    place = {"DATASETS_MIRROR": str(mirror.parent)}
    ended = run_step("datasets.fetch_dataset", source, outputs, environment=place)
    assert "batch_2 is not the published file: its MD5" in a_sentence(ended.stderr)
    assert ended.returncode == 1
    assert not {p.name for p in tmp_path.iterdir()} & {"a", "a.json", "trapped"}


def cifar_spec(files):
    settings = {"train": TRAIN, "test": TEST, "names": "toy/meta", "labels": "labels"}
    source = {"source": "cifar", "files": files, **settings}
    return {"dataset": TOY.model_dump(), "source": source}


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
    with pytest.raises(PipelineError, match="toy is not a pickle of plain arrays"):
        load_arrays(io.BytesIO(content[: int(share * len(content))]), "toy")


def test_a_setting_that_names_no_part_of_a_batch_is_one_sentence(tmp_path):
    archive = written(tmp_path / "toy.tar", toy())
    with pytest.raises(PipelineError, match="batch_1 holds no 'fine_labels'"):
        cifar(labels="fine_labels").decode(archive, TOY)


def test_cifar_100_is_read_by_its_fine_labels(tmp_path):
    """A small file of the published layout, with everything that a batch holds there."""
    spec = Specs(load_config("paper")).source("cifar100")
    fine = [f"class_{i}".encode() for i in range(100)]
    meta = {b"fine_label_names": fine, b"coarse_label_names": [b"big"] * 20}
    members = {"cifar-100-python/meta": meta}
    for seed, name in enumerate(["train", "test"]):
        more = {
            b"filenames": [b"x.png"] * 200,
            b"batch_label": b"training batch 1 of 1",
        }
        content = batch(200, seed) | more
        content[b"coarse_labels"] = [i % 20 for i in range(200)]
        content[b"fine_labels"] = [i % 100 for i in range(200)]
        del content[b"labels"]
        members[f"cifar-100-python/{name}"] = content
    archive = written(tmp_path / "cifar.tar", members)
    decoded = make("source", spec.source).decode(archive, spec.dataset)
    for name in SPLITS:
        check(decoded.splits[name], spec.dataset, name)
        assert decoded.splits[name].labels.tolist() == [*range(100)] * 2
    assert decoded.names[:2] == ["class_0", "class_1"]


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    """CIFAR-10's published files, rebuilt beside the project."""
    folder = tmp_path_factory.mktemp("real")
    script = shared_data / "cifar10" / "unpack.py"
    if not script.is_file():
        pytest.skip(f"there is no {script}")
    place = folder / "cifar-10-batches-py"
    subprocess.run([sys.executable, script, place], check=True, capture_output=True)
    return folder


def test_all_of_cifar_10_is_as_published(real, tmp_path, run_step):
    from torchvision.datasets import CIFAR10

    spec = Specs(load_config("paper")).source("cifar10")
    told = spec.model_dump(mode="json")
    archive = {role: tmp_path / f"archive.{role}" for role in ("archive", "card")}
    place = {"DATASETS_MIRROR": str(real)}
    fetched = {name: told[name] for name in ("dataset", "source")}
    ended = run_step("datasets.fetch_dataset", fetched, archive, environment=place)
    assert ended.returncode == 0, ended.stderr
    roles = [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")]
    built = {role: tmp_path / f"{role}.npy" for role in roles}
    built["card"] = tmp_path / "card.json"
    inputs = {"archive": archive["archive"], "archive_card": archive["card"]}
    ended = run_step("datasets.build_dataset", told, built, inputs=inputs)
    assert ended.returncode == 0, ended.stderr

    metrics = json.loads(built["card"].read_text())["metrics"]
    assert metrics["train"]["per_class"] == [5000] * 10
    assert metrics["test"]["per_class"] == [1000] * 10
    known = {"mean": (0.4914, 0.4822, 0.4465), "deviation": (0.2470, 0.2435, 0.2616)}
    for what, values in known.items():
        assert metrics["train"][what] == pytest.approx(values, abs=1e-3)
    for split in SPLITS:
        # It checks all seven MD5s itself.
        theirs = CIFAR10(str(real), train=split == "train", download=False)
        images = np.load(built[f"{split}_images"], mmap_mode="r")
        assert (images == theirs.data.transpose(0, 3, 1, 2)).all()
        assert np.load(built[f"{split}_labels"]).tolist() == theirs.targets
        assert metrics["names"] == theirs.classes


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_checksums_inside_are_those_that_torchvision_knows(name):
    from torchvision.datasets import CIFAR10, CIFAR100

    theirs = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]
    (file,) = Specs(load_config("paper")).source(name).source["files"]
    assert file.name == theirs.filename
    known = [*theirs.train_list, *theirs.test_list]
    known += [(theirs.meta["filename"], theirs.meta["md5"])]
    folder = theirs.base_folder
    assert file.holds == {f"{folder}/{inside}": f"md5:{m}" for inside, m in known}
