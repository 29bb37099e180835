"""A projected data set decodes to its images."""

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline_steps.core.arrays import read_array, write_array
from pipeline_steps.core.card import Card, file_facts, read_card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.core.step import run
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.datasets.loader import mixtures
from pipeline_steps.generators.glow import Glow
from pipeline_steps.manifolds import distances
from pipeline_steps.manifolds import project_dataset as step
from pipeline_steps.manifolds.spec import ManifoldSpec
from tests.job_words import job_words

SIZE, COUNT = 8, 21
OUTPUTS = {
    "latents": "latents.npy",
    "images": "images.npy",
    "errors": "errors.parquet",
    "pictures": "pictures.safetensors",
    "card": "card.json",
    "record": "record.json",
}
GATHERED = {f"test_{k}" if k == "images" else k: v for k, v in OUTPUTS.items()}
GATHERED["test_labels"] = "labels.npy"


def spec_of(batch=8, size=SIZE):
    model = {"name": "tiny", "generator": "glow", "steps": 2, "width": 8}
    return ManifoldSpec.model_validate(
        {
            "dataset": {"name": "noise", "classes": 2, "size": size, "channels": 3},
            "generator": model | {"size": size, "channels": 3},
            "split": "test",
            "batch": batch,
        }
    )


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A data set and a generator, each with its card."""
    monkeypatch.chdir(tmp_path)
    images = 255 * rng(0, "images").uniform([COUNT, 3, SIZE, SIZE])
    model = Glow(SIZE, 3, 2, 8)
    model.initialise(images / 255)
    files = {
        "images": ("test_images", tmp_path / "test.images.npy"),
        "labels": ("test_labels", tmp_path / "test.labels.npy"),
        "generator": ("weights", tmp_path / "weights.safetensors"),
    }
    write_array(files["images"][1], images.numpy().astype(np.uint8))
    write_array(files["labels"][1], np.arange(COUNT) % 2)
    write_tensors(files["generator"][1], model.state_dict())
    for name, (role, path) in files.items():
        outputs = {role: file_facts(path)}
        Card("any", {}, {}, {}, outputs).seen_from(tmp_path).write(
            tmp_path / f"{name}_card.json"
        )
    return tmp_path


def project(spec, out="out", shards=1):
    """All shards, and what is gathered from them."""
    cards = [
        f"{name}_card={name}_card.json" for name in ("images", "labels", "generator")
    ]
    files = ("images=test.images.npy", "generator=weights.safetensors")
    places = [f"{out}/{number}-of-{shards}" for number in range(1, shards + 1)]
    for number, place in enumerate(places, start=1):
        shard = ManifoldSpec(
            **{**dict(spec), "shard": {"number": number, "of": shards}}
        )
        call(shard, [*files, *cards], place)
    parts = [
        word
        for role, name in OUTPUTS.items()
        for word in [f"{role}=", *(f"{place}/{name}" for place in places)]
    ]
    cards += ["labels=test.labels.npy"]
    call(spec, cards, out, parts, GATHERED)


def call(spec, inputs, out, parts=(), outputs=OUTPUTS):
    outputs = [f"{role}={out}/{name}" for role, name in outputs.items()]
    name = "manifolds.project_dataset"
    run(name, ManifoldSpec, step.main, job_words(name, spec, outputs, inputs, parts))


def test_latents_decode_to_the_images(workplace):
    project(spec_of())
    latents = read_array(workplace / "out" / "latents.npy")
    assert latents.dtype == np.float32
    assert latents.shape == (COUNT, 3 * SIZE * SIZE)
    model = Glow(SIZE, 3, 2, 8)
    model.load_state_dict(read_tensors(workplace / "weights.safetensors"))
    images = torch.from_numpy(np.array(read_array(workplace / "test.images.npy"))) / 255
    decoded = model.decode(torch.from_numpy(np.array(latents)))
    assert (decoded - images).abs().max() < 1e-4


def test_card_tells_the_errors(workplace):
    project(spec_of())
    metrics = read_card(workplace / "out" / "card.json").metrics
    assert metrics["images"] == COUNT
    assert 0 < metrics["mean_error"] < metrics["worst_error"] < 1e-4
    assert 0 < metrics["worst_error_of_mixtures"] < 1e-4


def test_pictures_are_images(workplace):
    project(spec_of())
    pictures = read_tensors(workplace / "out" / "pictures.safetensors")
    assert set(pictures) == {"original", "projected", "samples", "between"}
    assert pictures["between"].shape == (4, 8, 3, SIZE, SIZE)
    for name, picture in pictures.items():
        if name != "between":
            assert picture.shape == (16, 3, SIZE, SIZE)
        assert picture.dtype == torch.float32
        assert picture.min() >= 0 and picture.max() <= 1
    assert (pictures["original"] - pictures["projected"]).abs().max() < 1e-4
    # Rows go from one image of a pair to the other.
    ends = pictures["between"][:, [0, -1]].flatten(0, 1)
    assert (ends - pictures["original"][:8]).abs().max() < 1e-4


def test_images_of_an_exact_manifold_are_the_images_with_their_labels(workplace):
    project(spec_of(), shards=2)
    for name in ("images", "labels"):
        there = read_array(workplace / "out" / f"{name}.npy")
        assert np.array_equal(there, read_array(workplace / f"test.{name}.npy"))


def test_same_job_gives_the_same_bytes(workplace):
    for out in ("first", "second"):
        project(spec_of(), out)
    for name in ("latents.npy", "pictures.safetensors", "card.json"):
        first, second = (workplace / out / name for out in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("shards", [2, 3, 5])
def test_the_number_of_shards_changes_no_byte(workplace, shards):
    """Three batches: of five shards two are empty."""
    project(spec_of(), "whole")
    project(spec_of(), "cut", shards)
    for name in set(OUTPUTS.values()) - {"record.json"}:
        whole, cut = (workplace / out / name for out in ("whole", "cut"))
        assert whole.read_bytes() == cut.read_bytes(), name


def test_each_image_has_its_errors(workplace):
    project(spec_of())
    errors = pd.read_parquet(workplace / "out" / "errors.parquet")
    assert errors["image"].tolist() == list(range(COUNT))
    assert (errors["mean"] <= errors["worst"]).all()


def test_batches_change_no_latent(workplace):
    project(spec_of(batch=4), "small")
    project(spec_of(batch=64), "large")
    small, large = (
        read_array(workplace / o / "latents.npy") for o in ("small", "large")
    )
    assert np.allclose(small, large, atol=1e-4)


def test_images_that_the_spec_does_not_tell_of_are_refused(workplace, capsys):
    with pytest.raises(SystemExit, match="1"):
        project(spec_of(size=16))
    assert "not uint8 images of shape [3, 16, 16]" in capsys.readouterr().err


def test_changed_weights_are_refused(workplace, capsys):
    path = workplace / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(SystemExit, match="1"):
        project(spec_of())
    assert "does not match its card" in capsys.readouterr().err


def test_an_endless_reconstruction_names_its_image():
    error = torch.zeros(3, 3, 4, 4)
    error[1, 0, 0, 0] = float("nan")
    with pytest.raises(PipelineError, match="of image 11"):
        distances.errors(error, torch.zeros_like(error), start=10)


def test_mixtures_lie_between_their_images():
    images = rng(1, "images").uniform([9, 3, 4, 4])
    mixed = mixtures(images, rng(0, "mixtures"))
    assert mixed.shape == images.shape
    assert torch.equal(mixed, mixtures(images, rng(0, "mixtures")))
    assert (mixed >= images.amin(0) - 1e-6).all()
    assert (mixed <= images.amax(0) + 1e-6).all()


def test_where_one_batch_is_projected_it_stands_for_all(workplace):
    """Whoever reads the data set finds as many images, each with its own label."""
    project(spec_of(batch=8))
    project(spec_of(batch=8).model_copy(update={"images": 8}), "few")
    repeated = np.arange(COUNT) % 8
    for name in ("latents.npy", "images.npy", "labels.npy"):
        whole, few = (read_array(workplace / out / name) for out in ("out", "few"))
        assert np.array_equal(few, whole[repeated])
    card = read_card(workplace / "few/card.json")
    assert card.metrics["images"] == len(pd.read_parquet("few/errors.parquet")) == 8
