"""Data sets have one form, a split that is fixed for ever, and checks at the door."""

import gzip

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_steps.config.load import load_config
from pipeline_steps.core.arrays import write_batches
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.datasets.canonical import (
    SPLITS,
    Split,
    check,
    cut_off_test,
    write,
)
from pipeline_steps.datasets.loader import check_range, load_image_set
from pipeline_steps.datasets.spec import Cut, DatasetSpec
from pipeline_steps.jobs.specs import Specs

TOY = DatasetSpec(name="toy", classes=4, size=6)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The demo's data set, as its step makes it."""
    spec = Specs(load_config("demo")).source("digits")
    source = make("source", spec.source)
    archive = tmp_path_factory.mktemp("digits") / "archive"
    source.fetch(archive, spec.dataset)
    whole = source.decode(archive, spec.dataset).splits["all"]
    return archive, spec, whole, cut_off_test(whole, spec.cut, "digits")


def test_the_digits_are_canonical(digits):
    _, spec, whole, splits = digits
    for name in SPLITS:
        check(splits[name], spec.dataset, name)
        assert splits[name].images.flags.c_contiguous
    assert whole.images.shape == (1797, 3, 16, 16)
    assert (whole.images.min(), whole.images.max()) == (0, 255)
    assert (whole.images[:, 0] == whole.images[:, 2]).all()


def test_the_digits_are_enlarged_and_otherwise_as_published(digits):
    archive, _, whole, _ = digits
    with gzip.open(archive, "rt") as file:
        published = np.loadtxt(file, delimiter=",")
    assert (whole.labels == published[:, -1]).all()
    shrunk = whole.images[:, 0].reshape(-1, 8, 2, 8, 2).mean(axis=(2, 4)) / 255 * 16
    close = np.corrcoef(shrunk.ravel(), published[:, :-1].ravel())[0, 1]
    assert close > 0.95


def test_digits_of_another_version_of_their_package_are_refused(tmp_path):
    source = make("source", {"source": "digits", "digest": "0" * 64})
    with pytest.raises(
        PipelineError, match="install the version that the lock file pins"
    ):
        source.fetch(tmp_path / "archive", TOY)


def rows_of(split):
    return {
        (image.tobytes(), int(y))
        for image, y in zip(*vars(split).values(), strict=True)
    }


def test_the_split_is_disjoint_complete_and_stratified(digits):
    _, spec, whole, splits = digits
    train, test = splits["train"], splits["test"]
    assert len(train) + len(test) == len(whole)
    assert not rows_of(train) & rows_of(test)
    assert rows_of(train) | rows_of(test) == rows_of(whole)
    every, tested = (np.bincount(part.labels) for part in (whole, test))
    assert (tested == np.round(spec.cut.share * every)).all()


def test_the_split_is_the_same_for_ever(digits):
    """These images are judged in every published number of the demo."""
    _, _, whole, splits = digits
    again = cut_off_test(whole, Cut(share=0.3), "digits")
    assert (again["test"].images == splits["test"].images).all()
    assert len(splits["test"]) == 539
    assert splits["test"].labels[:12].tolist() == FIRST_TESTED


FIRST_TESTED = [3, 4, 6, 8, 9, 0, 7, 0, 1, 2, 6, 0]


@given(
    counts=st.lists(st.integers(4, 9), min_size=2, max_size=4),
    share=st.floats(0.2, 0.8),
)
@settings(max_examples=25, deadline=None)
def test_any_data_set_is_cut_class_by_class(counts, share):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    splits = cut_off_test(Split(images, labels), Cut(share=share), "toy")
    tested = np.bincount(splits["test"].labels, minlength=len(counts))
    assert tested.tolist() == [round(share * count) for count in counts]
    both = np.concatenate([splits[name].images.ravel() for name in SPLITS])
    assert sorted(both.tolist()) == list(range(len(labels)))


@pytest.mark.parametrize("rule", ["file_order", "iid"])
def test_a_test_set_is_cut_by_either_rule_and_no_larger_than_asked(rule):
    labels = np.tile([0, 1], 10)
    split = Split(np.arange(20).reshape(-1, 1, 1, 1), labels)
    cut = Cut(share=0.3, rule=rule)
    splits = cut_off_test(split, cut, "toy")
    assert [len(splits[name]) for name in SPLITS] == [14, 6]
    fewer = cut_off_test(split, cut.model_copy(update={"at_most": 2}), "toy")
    assert [len(fewer[name]) for name in SPLITS] == [14, 4]
    assert (fewer["train"].images == splits["train"].images).all()
    assert np.bincount(fewer["test"].labels).tolist() == [2, 2]
    tested = splits["test"].images.ravel().tolist()
    assert set(fewer["test"].images.ravel().tolist()) <= set(tested)
    assert (tested == [*range(14, 20)]) == (rule == "file_order")


@pytest.mark.parametrize("rule", ["file_order", "iid"])
def test_a_training_set_is_no_larger_than_asked(rule):
    """Where few are kept for testing, the others may fill it."""
    split = Split(np.arange(20).reshape(-1, 1, 1, 1), np.tile([0, 1], 10))
    cut = Cut(share=0.3, rule=rule, at_most=1)
    for most, kept in ((4, 4), (8, 8), (9, 9), (100, 9)):
        told = cut.model_copy(update={"train_at_most": most})
        splits = cut_off_test(split, told, "toy")
        assert np.bincount(splits["train"].labels).tolist() == [kept, kept]
        train, test = (splits[name].images.ravel().tolist() for name in SPLITS)
        assert not {*train} & {*test}
        if rule == "file_order":
            assert train == [*range(2 * kept)]
            assert test == [18, 19]


def toy_split(count=8, **changes):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (count, 3, 6, 6)).astype(np.uint8)
    return Split(**{"images": images, "labels": np.arange(count) % 4, **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": np.arange(3)}, "8 images for 3 labels"),
        (
            {"images": np.zeros((0, 3, 6, 6), np.uint8), "labels": np.arange(0)},
            "0 images",
        ),
        ({"images": np.zeros((8, 6, 6, 3), np.uint8)}, r"each is \(6, 6, 3\), where"),
        ({"images": np.zeros((8, 3, 6, 6), np.float32)}, "float32, not uint8"),
        ({"labels": np.full(8, 4)}, "labels run from 4 to 4, not 0 to 3"),
        ({"labels": np.full(8, -1)}, "labels run from -1 to -1, not 0 to 3"),
    ],
)
def test_a_split_of_another_form_is_refused(changes, told):
    check(toy_split(), TOY, "train")
    with pytest.raises(PipelineError, match=f"^data set toy, train images: .*{told}"):
        check(toy_split(**changes), TOY, "train")


class Lazily:
    """Stands for an array, and says how many rows at a time it was asked for."""

    def __init__(self, array, asked):
        self.array, self.asked = array, asked
        self.shape, self.dtype = array.shape, array.dtype

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        return Lazily(self.array[rows], self.asked)

    def __array__(self, dtype=None, copy=None):
        self.asked.append(len(self.array))
        return self.array


@pytest.mark.parametrize("count", [1, 256, 600])
def test_a_split_is_written_batch_by_batch_as_numpy_would(tmp_path, count):
    split, asked = toy_split(count), []
    lazy = Split(Lazily(split.images, asked), split.labels)
    paths = tmp_path / "images.npy", tmp_path / "labels.npy"
    told = write(lazy, *paths, 4)
    assert sum(asked) == count and max(asked) <= 64
    np.save(tmp_path / "expected.npy", split.images)
    assert paths[0].read_bytes() == (tmp_path / "expected.npy").read_bytes()
    assert (np.load(paths[1]) == split.labels).all()
    assert np.load(paths[0], mmap_mode="r").shape == split.images.shape
    assert told == write(split, *paths, 4)


def test_images_that_come_in_another_number_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="the batches hold 108 bytes"):
        write_batches(tmp_path / "x", (2, 3, 6, 6), [toy_split(1).images])
    assert not [*tmp_path.iterdir()]


def test_facts_are_those_of_the_images(tmp_path):
    split = toy_split()
    told = write(split, tmp_path / "images.npy", tmp_path / "labels.npy", 4)
    assert told["images"] == 8
    assert told["per_class"] == [2, 2, 2, 2]
    assert told["mean"] == pytest.approx((split.images / 255).mean((0, 2, 3)), abs=1e-6)
    assert told["deviation"] == pytest.approx(
        (split.images / 255).std((0, 2, 3)), abs=1e-6
    )


def test_images_are_loaded_as_they_lie_on_disk_and_floated_to_0_to_1(toy_files):
    device = torch.device("cpu")
    files = (toy_files["train_images"], toy_files["train_labels"])
    data = load_image_set(*files, device)
    assert data.images.dtype == torch.uint8
    images, labels = data[torch.tensor([3, 1])]
    assert torch.equal(images, data.images[[3, 1]].float() / 255)
    assert labels.tolist() == [0, 1]
    first = load_image_set(*files, device, limit=5)
    assert len(first) == 5
    assert torch.equal(first.images, data.images[:5])


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.5, 0.5]])
def test_images_in_range_pass(values):
    check_range(torch.tensor(values), "these")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([-0.01, 0.5], "these run from -0.01 to 0.5, but images must be in"),
        ([0.0, 255.0], "these run from 0 to 255"),
        ([0.5, float("nan")], "these run from nan to nan"),
        ([0.0, float("inf")], "these run from 0 to inf"),
    ],
)
def test_images_out_of_range_are_refused(values, told):
    with pytest.raises(PipelineError, match=told):
        check_range(torch.tensor(values), "these")
