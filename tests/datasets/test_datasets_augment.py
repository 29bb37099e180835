"""Augmentation moves, mirrors and covers images, and keeps what belongs together in step."""

import pytest
import torch
from scipy.stats import chisquare
from torch.nn import functional

from pipeline_steps.core import torchvision_ops  # noqa: F401  before torchvision
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.augmentation import augment, mixup, moves
from pipeline_steps.datasets.spec import Augmentation

COUNT, SIZE = 64, 7


@pytest.fixture
def images():
    """Every pixel of every image has a value of its own."""
    values = torch.arange(1, COUNT * 3 * SIZE * SIZE + 1, dtype=torch.float32)
    return values.reshape(COUNT, 3, SIZE, SIZE)


def augmented(images, seed=0, **how):
    return augment(images, Augmentation(**how), rng(seed, "augment"))


def test_without_padding_and_mirror_nothing_changes(images):
    assert torch.equal(augmented(images), images)


@pytest.mark.parametrize("pad", [1, 4])
def test_a_shift_cuts_each_image_out_of_its_padded_self(images, pad):
    moved = augmented(images, pad=pad)
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
    moved = augmented(images[:count], pad=2, flip=True, cutout=3)
    assert moved.shape == (count, 3, SIZE, SIZE)


HOWS = [{}, {"pad": 2}, {"flip": True}, {"pad": 1, "flip": True}]


@pytest.mark.parametrize("how", HOWS)
def test_numbers_are_those_of_the_first_way_of_doing_it(how):
    """To the bit: training runs were published with these."""
    images = rng(0, "images").uniform([COUNT, 3, SIZE, SIZE])
    expected, draw = images, rng(5, "augment")
    if pad := how.get("pad"):
        padded = functional.pad(images, [pad] * 4)
        down, right = draw.integers(0, 2 * pad + 1, [2, COUNT]).tolist()
        expected = torch.stack(
            [
                whole[:, a : a + SIZE, b : b + SIZE]
                for whole, a, b in zip(padded, down, right, strict=True)
            ]
        )
    if how.get("flip"):
        mirrored = draw.uniform([COUNT]) < 0.5
        expected = torch.where(
            mirrored[:, None, None, None], expected.flip(3), expected
        )
    assert torch.equal(augmented(images, seed=5, **how), expected)


@pytest.mark.parametrize("how", [*HOWS, {"pad": 1, "flip": True, "cutout": 3}])
def test_bytes_are_moved_like_floats(how):
    images = rng(0, "bytes").integers(0, 256, [COUNT, 3, SIZE, SIZE]).to(torch.uint8)
    of_bytes = augmented(images, **how)
    assert of_bytes.dtype == torch.uint8
    assert of_bytes.is_contiguous()
    assert torch.equal(of_bytes.float() / 255, augmented(images.float() / 255, **how))


@pytest.mark.parametrize("side", [1, 2, 3, 20])
def test_cutout_covers_a_square_around_any_pixel(images, side):
    covered = augmented(images, cutout=side) == 0
    assert torch.equal(augmented(images, cutout=side)[~covered], images[~covered])
    assert (covered.any(1) == covered.all(1)).all(), "all colours alike"
    rows, columns = covered[:, 0].any(2), covered[:, 0].any(1)
    inner = min(side, SIZE)
    assert rows.sum(1).max() == columns.sum(1).max() == inner
    assert rows.sum(1).min() >= min((side + 1) // 2, SIZE), "at an edge half of it"
    square = rows[:, :, None] & columns[:, None, :]
    assert torch.equal(covered[:, 0], square)
    if side == 1:
        assert len({tuple(one.nonzero()[0].tolist()) for one in square}) > 30


def test_some_of_the_moves_are_those_of_these_images():
    images = rng(0, "images").uniform([9, 3, 8, 8])
    drawn = moves(images, Augmentation(pad=2, flip=True, cutout=3), rng(0, "augment"))
    for rows in (torch.tensor([7, 2]), torch.arange(9) > 5, slice(1, 4)):
        assert torch.equal(
            drawn.take(rows).apply(images[rows]), drawn.apply(images)[rows]
        )


def test_gradients_go_through_a_move_to_the_latent(toy_generator):
    latents = rng(0, "latents").normal([6, 192]).requires_grad_()
    images = toy_generator.decode(latents).detach()
    drawn = moves(images, Augmentation(pad=1, flip=True), rng(1, "augment"))
    weights = rng(0, "weights").normal(images.shape)
    (drawn.apply(toy_generator.decode(latents)) * weights).sum().backward()
    # The same, put the other way round: weights moved back, by which pixels came whence.
    numbers = torch.arange(1.0, 65).reshape(8, 8).expand(6, 3, 8, 8)
    whence = drawn.apply(numbers).long().flatten(2)
    back = torch.zeros(6, 3, 65).scatter_add_(2, whence, weights.flatten(2))[..., 1:]
    expected = back.flatten(1) @ toy_generator.rotation
    assert torch.allclose(latents.grad, expected, atol=1e-5)


def test_mixup_takes_so_much_of_one_and_the_rest_of_the_other():
    one, other = (
        rng(0, "one").uniform([4, 3, 5, 5]),
        rng(0, "other").uniform([4, 3, 5, 5]),
    )
    share = torch.tensor([0.0, 1.0, 0.25, 0.6])
    mixed = mixup(one, other, share)
    assert torch.equal(mixed[0], other[0])
    assert torch.equal(mixed[1], one[1])
    assert torch.allclose(mixed[2], 0.25 * one[2] + 0.75 * other[2])
    labels = functional.one_hot(torch.tensor([0, 1, 2, 0]), 3).float()
    assert torch.allclose(mixup(labels, labels.flip(0), share).sum(1), torch.ones(4))
    whole = mixup(one, other, torch.tensor([0.3]))
    assert torch.allclose(whole, 0.3 * one + 0.7 * other)


def places(images):
    """By how much an image with a value of its own in each pixel was moved and turned."""
    size, middle = images.shape[-1], images[:, 0, 3:5, 3:5].long() - 1
    turned = middle[:, 0, 0] > middle[:, 0, 1]
    rows, columns = middle[:, 0, 0] // size, middle[:, 0, 0] % size
    columns = torch.where(turned, size - 1 - columns, columns)
    return torch.stack([rows, columns, turned.long()], 1)


def test_images_are_moved_like_torchvisions():
    """In distribution: shift and mirror, each evenly and on its own."""
    from torchvision.transforms import v2

    count, size, pad = 4000, 8, 1
    one = torch.arange(1.0, 1 + size * size).reshape(1, 1, size, size)
    mine = places(augmented(one.expand(count, 3, -1, -1), pad=pad, flip=True))
    peer = v2.Compose([v2.RandomCrop(size, padding=pad), v2.RandomHorizontalFlip()])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        other = places(torch.cat([peer(one) for _ in range(count)]))
    cases, number = torch.cat([mine, other]).unique(dim=0, return_inverse=True)
    assert len(cases) == 2 * (2 * pad + 1) ** 2
    for numbers in number.split(count):
        assert chisquare(numbers.bincount().numpy()).pvalue > 0.001
