"""The published archive of corrupted images is mapped where it lies, and checked."""

import io

import numpy as np
import pytest
from datasets_house import tar_of

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.jobs.specs import Specs

SPEC = Specs(load_config("paper")).fetched("cifar10-c")
LABELS = np.arange(20) % 10
ROWS = 5 * len(LABELS)


def saved(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=array.dtype.hasobject)
    return out.getvalue()


def images(count=ROWS, seed=0):
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


@pytest.fixture
def archive(tmp_path):
    """A small archive of the published layout: severity by severity, NHWC."""

    def archive(fog=None, labels=None):
        labels = np.tile(LABELS, 5).astype(np.uint8) if labels is None else labels
        members = {
            "CIFAR-10-C/labels.npy": saved(labels),
            "CIFAR-10-C/fog.npy": saved(images() if fog is None else fog),
        }
        (tmp_path / "archive").write_bytes(tar_of(members, "w"))
        return tmp_path / "archive"

    return archive


source = make("source", SPEC.source)


def test_a_corruption_has_all_its_rows_in_order(archive):
    path = archive()
    found = source.corruption(path, "fog", SPEC.dataset)
    assert found.shape == (ROWS, 3, 32, 32)
    assert (found == images().transpose(0, 3, 1, 2)).all()
    assert isinstance(found.base, np.memmap), "of 150 MB only what is used is read"
    assert source.labels(path).tolist() == [*LABELS] * 5


def test_nineteen_corruptions_are_packed_and_the_labels():
    (file,) = source.files
    names = [name.removeprefix("CIFAR-10-C/") for name in file.holds]
    assert len(names) == 20 and "labels.npy" in names


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (
            {"fog": images(ROWS - 1)},
            r"fog in .* is uint8 of shape \(99, 32, 32, 3\), wh",
        ),
        ({"fog": images().astype(np.float32)}, "is float32 of shape"),
        ({"fog": np.array([{}], object)}, "holds objects that could carry code"),
        (
            {"labels": np.arange(ROWS, dtype=np.uint8)},
            "labels in .* are not those of 5",
        ),
        ({"labels": np.zeros(7, np.uint8)}, "labels in .* are not those of 5"),
    ],
)
def test_another_form_is_one_sentence(archive, what, told):
    with pytest.raises(PipelineError, match=told):
        source.corruption(archive(**what), "fog", SPEC.dataset)


def test_a_corruption_that_is_not_there_is_named(archive):
    with pytest.raises(PipelineError, match=r"holds no CIFAR-10-C/frog\.npy"):
        source.corruption(archive(), "frog", SPEC.dataset)


def test_a_file_that_is_no_array_is_one_sentence(archive, tmp_path):
    (tmp_path / "archive").write_bytes(
        tar_of({"CIFAR-10-C/labels.npy": b"x" * 99}, "w")
    )
    with pytest.raises(PipelineError, match=r"labels\.npy in .* is not an array"):
        source.labels(tmp_path / "archive")


def test_there_is_nothing_to_train_on(archive):
    with pytest.raises(PipelineError, match="cifar10-c holds corrupted test images"):
        source.decode(archive(), SPEC.dataset)
