"""Augmentation moves and mirrors images, and does nothing else to them."""

import pytest
import torch
from torch.nn import functional

from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.loader import augment
from pipeline_steps.datasets.spec import Augmentation

COUNT, SIZE = 64, 7


@pytest.fixture
def images():
    """Every pixel of every image has a value of its own."""
    values = torch.arange(1, COUNT * 3 * SIZE * SIZE + 1, dtype=torch.float32)
    return values.reshape(COUNT, 3, SIZE, SIZE)


def augmented(images, pad=0, flip=False, seed=0):
    return augment(images, Augmentation(pad=pad, flip=flip), rng(seed, "augment"))


def test_without_padding_and_mirror_nothing_changes(images):
    assert torch.equal(augmented(images), images)


@pytest.mark.parametrize("pad", [1, 4])
def test_a_shift_cuts_each_image_out_of_its_padded_self(images, pad):
    moved = augmented(images, pad)
    assert moved.shape == images.shape
    padded = functional.pad(images, [pad] * 4)
    shifts = set()
    for whole, image in zip(padded, moved, strict=True):
        fits = [
            (row, column)
            for row in range(2 * pad + 1)
            for column in range(2 * pad + 1)
            if torch.equal(whole[:, row : row + SIZE, column : column + SIZE], image)
        ]
        assert len(fits) == 1
        shifts |= set(fits)
    rows, columns = zip(*shifts, strict=True)
    assert set(rows) == set(columns) == set(range(2 * pad + 1))
    assert len(shifts) > 2 * pad + 1, "rows and columns move independently"


def test_a_mirror_turns_about_half_of_the_images_and_leaves_the_rest(images):
    turned = augmented(images, flip=True)
    mirrored = torch.tensor(
        [torch.equal(a, b.flip(2)) for a, b in zip(turned, images, strict=True)]
    )
    kept = torch.tensor(
        [torch.equal(a, b) for a, b in zip(turned, images, strict=True)]
    )
    assert (mirrored ^ kept).all()
    assert COUNT / 4 < mirrored.sum() < 3 * COUNT / 4


@pytest.mark.parametrize("how", [{"pad": 2}, {"flip": True}, {"pad": 2, "flip": True}])
def test_the_same_seed_moves_images_the_same_way(images, how):
    assert torch.equal(augmented(images, **how), augmented(images, **how))
    assert not torch.equal(augmented(images, **how), augmented(images, **how, seed=1))


@pytest.mark.parametrize("count", [0, 1])
def test_small_batches_keep_their_shape(images, count):
    moved = augmented(images[:count], pad=2, flip=True)
    assert moved.shape == (count, 3, SIZE, SIZE)
