"""Images come the same from memory and from the disk, whatever is read ahead."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets import loader
from pipeline_steps.datasets.augmentation import augment
from pipeline_steps.datasets.loader import ImageSet, floats, load_image_set
from pipeline_steps.datasets.spec import Augmentation
from pipeline_steps.datasets.streamed import AHEAD, StreamedImages

CPU = torch.device("cpu")
COUNT, BATCH = 60, 8


@pytest.fixture
def files(tmp_path):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (COUNT, 3, 6, 6)).astype(np.uint8)
    write_array(tmp_path / "images.npy", images)
    write_array(tmp_path / "labels.npy", np.arange(COUNT) % 7)
    return tmp_path / "images.npy", tmp_path / "labels.npy"


@pytest.fixture
def whole(files) -> ImageSet:
    return load_image_set(*files, CPU)


@pytest.fixture
def streamed(files, monkeypatch) -> Iterator[ImageSet]:
    monkeypatch.setattr(loader, "WHOLE", 100)
    data = load_image_set(*files, CPU)
    assert isinstance(data.images, StreamedImages)
    yield data
    data.images.close()


def batches(seed: int = 0) -> list[Tensor]:
    return list(rng(seed, "order").permutation(COUNT).split(BATCH))


def same(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def until(what: Callable[[], bool]) -> None:
    for _ in range(1000):
        if what():
            return
        time.sleep(0.01)
    raise AssertionError("it never came about")


def test_the_size_decides_where_images_lie(files, whole, monkeypatch):
    assert isinstance(whole.images, Tensor)
    size = whole.images.numel()
    for room, kind in ((size, Tensor), (size - 1, StreamedImages)):
        monkeypatch.setattr(loader, "WHOLE", room)
        assert isinstance(load_image_set(*files, CPU).images, kind)
    few = load_image_set(*files, CPU, limit=5)
    assert isinstance(few.images, Tensor), "only what is used counts"
    assert len(few) == len(few.images) == 5


def test_expected_batches_are_those_of_memory(whole, streamed):
    for epoch in range(2):
        streamed.expect(batches(epoch))
        whole.expect(batches(epoch))
        for rows in batches(epoch):
            assert same(streamed[rows], whole[rows])


def test_batches_are_read_before_they_are_asked_for_and_no_more_than_fit(streamed):
    read = []
    plain = streamed.images.read
    streamed.images.read = lambda rows: read.append(rows) or plain(rows)
    streamed.expect(batches())
    until(lambda: len(read) == AHEAD + 1)
    time.sleep(0.05)
    assert len(read) == AHEAD + 1, "one more waits for room"
    streamed[batches()[0]]
    until(lambda: len(read) == AHEAD + 2)


def test_rows_that_were_not_expected_are_read_all_the_same(whole, streamed):
    first, second, *_ = batches()
    assert same(streamed[first], whole[first]), "nothing was expected"
    streamed.expect([first, second])
    assert same(streamed[second], whole[second]), "another order"
    assert same(streamed[first], whole[first])
    streamed.expect([first])
    for _ in range(2):
        assert same(streamed[first], whole[first]), "more often than told"
    twice = torch.tensor([3, 3, 0, 59, 3])
    assert same(streamed[twice], whole[twice])
    none = torch.tensor([], dtype=torch.long)
    assert same(streamed[none], whole[none])


def test_reading_ahead_ends_when_it_is_no_longer_wanted(streamed):
    before = threading.active_count()
    for seed in range(5):
        streamed.expect(batches(seed))
        streamed[batches(seed)[0]]
    assert threading.active_count() <= before + 1
    streamed.images.close()
    assert threading.active_count() <= before


def test_what_goes_wrong_in_the_background_is_told_to_who_waits(streamed):
    def broken(rows: Tensor) -> Tensor:
        raise OSError("the disk is gone")

    streamed.images.read = broken
    streamed.expect(batches())
    with pytest.raises(OSError, match="the disk is gone"):
        streamed[batches()[0]]


@pytest.mark.parametrize("how", [{}, {"pad": 2, "flip": True}, {"cutout": 3}])
def test_augmented_images_are_those_of_augment(whole, streamed, how):
    told, rows = Augmentation(**how), batches()[2]
    images, labels = whole[rows]
    expected = augment(images, told, rng(0, "augment")), labels
    for data in (whole, streamed):
        *found, moves = data.augmented(rows, told, rng(0, "augment"))
        assert same(tuple(found), expected)
        assert torch.equal(moves.apply(images), expected[0])


def test_floats_are_new_and_exact():
    told = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(floats(told), told.float() / 255)
    already = torch.tensor([255.0, 51.0])
    assert floats(already).tolist() == pytest.approx([1, 0.2])
    assert already.tolist() == [255, 51], "what was given stays as it was"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gets_the_same_from_memory_and_from_the_disk(files):
    cuda = torch.device("cuda")
    whole = load_image_set(*files, cuda)
    assert isinstance(whole.images, Tensor)
    streamed = ImageSet(
        StreamedImages(np.load(files[0], mmap_mode="r"), cuda), whole.labels
    )
    streamed.expect(batches())
    for rows in batches():
        got = streamed[rows.to(cuda)]
        assert got[0].is_cuda
        assert same(got, whole[rows.to(cuda)])
