"""Corrupted test sets have the published shape and order, and hurt more and more."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from pipeline_steps.config.load import load_config
from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.digest import code
from pipeline_steps.core.registry import ROOT, make
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets import corrupt_dataset
from pipeline_steps.datasets.corruption import CORRUPTIONS, SEVERITIES, corrupt
from pipeline_steps.datasets.textures import textures
from pipeline_steps.jobs.specs import Specs
from tests.job_words import job_words

SIZE = 32


def noise(count: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.integers(30, 220, (count, 3, size, size)).astype(np.uint8)


class House:
    """A folder with a data set's test images, and the step run on them."""

    def __init__(self, root: Path, images: np.ndarray) -> None:
        self.root, self.images = root, images
        self.labels = np.arange(len(images)) % 10
        self.inputs: dict[str, Path] = {}
        self.dataset = {"name": "toy", "classes": 10, "size": images.shape[-1]}
        self._put("images", "test_images", images)
        self._put("labels", "test_labels", self.labels)

    def _put(self, name: str, role: str, array: np.ndarray) -> None:
        path = self.root / f"{name}.npy"
        write_array(path, array)
        self.card(name, role, path)

    def card(self, name: str, role: str, path: Path) -> None:
        card = self.root / f"{name}.json"
        Card("toy", {}, {}, {}, {role: file_facts(path)}).seen_from(self.root).write(
            card
        )
        self.inputs |= {name: path, f"{name}_card": card}

    def archive(self, members: dict[str, bytes]) -> None:
        path = self.root / "archive"
        with tarfile.open(path, "w") as archive:
            for name, content in members.items():
                told = tarfile.TarInfo(name)
                told.size = len(content)
                archive.addfile(told, io.BytesIO(content))
        self.card("archive", "archive", path)

    def told(
        self, name: str, made: dict[str, Any] | None = None, to: str = "out"
    ) -> tuple[str, dict[str, Any], dict[str, Path], dict[str, Path]]:
        spec = {"dataset": self.dataset, "name": name}
        spec["made"] = made or {"corruption": name}
        out = self.root / to
        roles = {"test_images": "npy", "test_labels": "npy"}
        roles |= {"card": "json", "record": "json"}
        outputs = {role: out / f"{name}.{role}.{end}" for role, end in roles.items()}
        return "datasets.corrupt_dataset", spec, outputs, self.inputs

    def argv(self, *told: Any, **more: Any) -> list[str]:
        step, spec, outputs, inputs = self.told(*told, **more)
        return job_words(step, spec, outputs, inputs)

    def run(self, *told: Any, **more: Any) -> dict[str, Any]:
        """In this process; gives arrays, card and record."""
        step, _, outputs, _ = self.told(*told, **more)
        spec_type, argv = corrupt_dataset.CorruptionSpec, self.argv(*told, **more)
        corrupt_dataset.run(step, spec_type, corrupt_dataset.main, argv)
        read = {"npy": np.load, "json": lambda path: json.loads(path.read_text())}
        return {role: read[path.suffix[1:]](path) for role, path in outputs.items()}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def test_the_shape_and_order_are_those_of_the_published_archive(tmp_path):
    """10,000 images become 50,000 rows, severity by severity, in uint8."""
    images = noise(10_000)
    made = House(tmp_path, images).run("contrast")
    assert made["test_images"].shape == (50_000, 3, 32, 32)
    assert made["test_images"].dtype == np.uint8
    assert made["test_labels"].tolist() == (np.arange(10_000) % 10).tolist() * 5
    contrast = make("corruption", {"corruption": "contrast"})
    for severity in SEVERITIES:
        rows = slice(5, 9)
        first = (severity - 1) * 10_000
        expected = corrupt(
            contrast, "contrast", torch.from_numpy(images[rows]), 5, severity, 0
        )
        got = made["test_images"][first + 5 : first + 9]
        assert (got == expected.numpy()).all()


@pytest.mark.parametrize("name", ["fog", "elastic_transform"])
def test_batches_may_be_cut_anywhere_and_nothing_shows_it(tmp_path, monkeypatch, name):
    """Neither in the bytes nor in the card."""
    house = House(tmp_path, noise(23))
    once = house.run(name)
    monkeypatch.setattr(corrupt_dataset, "VALUES", 3 * SIZE * SIZE * 4)
    again = house.run(name, to="again")
    assert (once["test_images"] == again["test_images"]).all()
    assert once["card"]["metrics"] == again["card"]["metrics"]


def test_the_card_tells_how_far_each_severity_moves_an_image(tmp_path):
    house = House(tmp_path, noise(12))
    made = house.run("gaussian_noise")
    blocks = made["test_images"].reshape(5, 12, -1) / 255
    moved = np.abs(blocks - house.images.reshape(12, -1) / 255)
    l2 = np.sqrt((moved**2).sum(axis=2)).mean(axis=1)
    told = made["card"]["metrics"]
    assert told["images"] == 60
    assert told["l2"] == pytest.approx(l2, abs=1e-5)
    assert told["linf"] == pytest.approx(moved.max(axis=2).mean(axis=1), abs=1e-5)
    assert told["l2"] == sorted(told["l2"])


PUBLISHED = {
    "source": "cifar_c",
    "files": [{"name": "CIFAR-10-C.tar"}],
    "folder": "CIFAR-10-C",
}


def test_published_images_are_taken_as_they_are(tmp_path):
    house = House(tmp_path, noise(20))
    rows = noise(100, seed=1).transpose(0, 2, 3, 1)
    whole = {"fog": npy(rows), "labels": npy(np.tile(house.labels, 5).astype(np.uint8))}
    house.archive({f"CIFAR-10-C/{name}.npy": data for name, data in whole.items()})
    made = house.run("fog", PUBLISHED)
    assert (made["test_images"] == rows.transpose(0, 3, 1, 2)).all()
    assert made["test_images"].flags.c_contiguous
    assert (made["test_labels"] == np.tile(house.labels, 5)).all()
    assert "datasets.sources.cifar_c" in " ".join(made["card"]["code"]["modules"])
    assert ".fog" not in " ".join(made["card"]["code"]["modules"])


def test_published_images_of_another_data_set_are_refused(
    tmp_path, run_step: Callable[..., Any], a_sentence: Callable[[str], str]
):
    house = House(tmp_path, noise(20))
    labels = np.tile((house.labels + 1) % 10, 5)
    rows = noise(100, seed=1).transpose(0, 2, 3, 1)
    whole = {"fog": npy(rows), "labels": npy(labels)}
    house.archive({f"CIFAR-10-C/{name}.npy": data for name, data in whole.items()})
    ended = run_step(*house.told("fog", PUBLISHED))
    assert ended.returncode == 1
    assert "it belongs to another data set" in a_sentence(ended.stderr)
    assert not list((tmp_path / "out").glob("*"))


def ice(count: int = 5, side: int = 200) -> dict[str, bytes]:
    """Photographs that stand for those of ice, some of which tell of transparency."""
    members = {}
    for number in range(count):
        file = io.BytesIO()
        pixels = noise(1, side, seed=number)[0].transpose(1, 2, 0)
        image = Image.fromarray(pixels).convert("RGBA" if number % 2 else "RGB")
        image.save(file, "PNG")
        members[f"frost{number}.png"] = file.getvalue()
    return members


def test_frost_is_made_from_the_photographs_that_were_fetched(tmp_path):
    house = House(tmp_path, noise(8))
    members = ice()
    house.archive(members)
    read = textures(house.inputs["archive"])
    for number, texture in enumerate(read):
        expected = noise(1, 200, seed=number)[0]
        assert (texture.numpy() == expected).all()
    made = house.run("frost")
    frost = make("corruption", {"corruption": "frost"}, textures=read)
    images = torch.from_numpy(house.images)
    expected = corrupt(frost, "frost", images, 0, 2, 0)
    assert (made["test_images"][8:16] == expected.numpy()).all()


def test_a_photograph_of_ice_that_is_none_is_a_sentence(
    tmp_path, run_step: Callable[..., Any], a_sentence: Callable[[str], str]
):
    house = House(tmp_path, noise(4))
    house.archive({"frost1.png": b"not an image"})
    ended = run_step(*house.told("frost"))
    assert ended.returncode == 1
    assert "frost1.png in" in a_sentence(ended.stderr)


def test_the_real_photographs_of_ice_are_found_at_a_mirror(
    shared_data, tmp_path, run_step: Callable[..., Any]
):
    spec = Specs(load_config("demo")).fetched("frost").model_dump(mode="json")
    outputs = {role: tmp_path / "frost" / role for role in ("archive", "card")}
    mirror = {"DATASETS_MIRROR": str(shared_data)}
    ended = run_step("datasets.fetch_dataset", spec, outputs, environment=mirror)
    assert ended.returncode == 0, ended.stderr
    shapes = [tuple(texture.shape) for texture in textures(outputs["archive"])]
    assert shapes[:2] == [(3, 600, 900), (3, 315, 560)]
    assert len(shapes) == 5
    house = House(tmp_path, noise(16, 64))
    house.inputs["archive"] = outputs["archive"]
    house.inputs["archive_card"] = outputs["card"]
    assert house.run("frost")["test_images"].shape == (80, 3, 64, 64)


PEAK = """
import sys
from pipeline_steps.datasets import corrupt_dataset as step
step.run("datasets.corrupt_dataset", step.CorruptionSpec, step.main, sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it")
def test_a_set_of_large_images_is_streamed(tmp_path):
    """Ten times the images take as much memory, give or take a few."""
    peaks = []
    for count in (20, 200):
        root = tmp_path / str(count)
        root.mkdir()
        house = House(root, np.tile(noise(10, 256), (count // 10, 1, 1, 1)))
        argv = house.argv("brightness")
        told = subprocess.run(
            [sys.executable, "-c", PEAK, *argv],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(told.stdout.split()[1]) / 1024)
        made = root / "out" / "brightness.test_images.npy"
        assert made.stat().st_size > count * 5 * 3 * 256 * 256
    assert peaks[1] < 1024
    assert peaks[1] - peaks[0] < 60, "and 170 MiB more were written"


@pytest.mark.parametrize(
    ("dataset", "name", "made", "needed"),
    [
        ("cifar10", "fog", {"source": "cifar_c"}, ["cifar10-c"]),
        ("cifar10", "frost", {"source": "cifar_c"}, ["cifar10-c"]),
        ("digits", "fog", {"corruption": "fog"}, []),
        ("digits", "frost", {"corruption": "frost"}, ["drawn-ice"]),
        ("svhn", "frost", {"corruption": "frost"}, ["frost"]),
    ],
)
def test_the_config_says_what_is_published_and_what_is_made(
    dataset, name, made, needed
):
    plan = Specs(load_config("demo"))
    spec = plan.corruption(dataset, name)
    assert made.items() <= spec.made.items()
    assert plan.needed(dataset, name) == needed


def test_an_edit_of_one_corruption_makes_no_other_anew():
    """Each job's digest holds the corruption that it names, and no other."""
    plan = Specs(load_config("demo"))
    for name in ("fog", "frost"):
        spec = plan.corruption("digits", name).model_dump(mode="json")
        modules = code("datasets.corrupt_dataset", spec).modules
        held = {
            m for m in modules if m.startswith("pipeline_steps.datasets.corruptions.")
        }
        assert held == {f"pipeline_steps.datasets.corruptions.{name}"}


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The demo's digits, a third of them for testing."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    greys = torch.from_numpy(bunch.images / 16).float()[:, None]
    images = functional.interpolate(greys, size=16, mode="bilinear")
    images = (images * 255).round().to(torch.uint8).expand(-1, 3, -1, -1)
    order = rng(0, "digits").permutation(len(images))
    labels = torch.from_numpy(bunch.target)[order]
    images = images[order].contiguous()
    return images[600:], labels[600:], images[:600], labels[:600]


def plain_model(images: torch.Tensor, labels: torch.Tensor) -> nn.Module:
    """A small network, trained on clean images for a few seconds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 16, 10),
        )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(150):
        rows = rng(0, "rows", step).permutation(len(images))[:64]
        loss = functional.cross_entropy(model(images[rows].float() / 255), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


@torch.no_grad()
def test_each_severity_lowers_a_plain_models_accuracy_on_average():
    *train, images, labels = digits()
    with torch.enable_grad():
        model = plain_model(*train)

    def accuracy(shown: torch.Tensor) -> float:
        return (model(shown.float() / 255).argmax(1) == labels).float().mean().item()

    textured = [torch.from_numpy(noise(1, 200, seed=i)[0]) for i in range(5)]
    table = {}
    for word in CORRUPTIONS:
        given = {"textures": textured} if word == "frost" else {}
        corruption = make("corruption", {"corruption": word}, **given)
        table[word] = [
            accuracy(corrupt(corruption, word, images, 0, severity, 0))
            for severity in SEVERITIES
        ]
    means = np.mean(list(table.values()), axis=0).tolist()
    assert accuracy(images) > 0.95
    assert all(a > b for a, b in zip([accuracy(images), *means], means, strict=False))


def test_drawn_ice_is_the_same_in_every_run_and_makes_frost(tmp_path):
    spec = Specs(load_config("demo")).fetched("drawn-ice")
    for name in ("first", "second"):
        make("source", spec.source).fetch(tmp_path / name, spec.dataset)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    pictures = textures(tmp_path / "first")
    assert [picture.shape for picture in pictures] == [(3, 315, 315)] * 5
    levels = torch.stack(pictures).float()
    assert (
        60 < levels.mean() < 190
    )  # as CIFAR-10-C's photographs, neither dark nor white
    assert all(picture.float().std() > 20 for picture in pictures)
    assert all((one != other).any() for one, other in pairwise(pictures))
    images = torch.full((2, 3, 32, 32), 100, dtype=torch.uint8)
    frost = make("corruption", {"corruption": "frost"}, textures=pictures)
    for severity in range(1, 6):
        assert (corrupt(frost, "frost", images, 0, severity, 0) != images).any()
