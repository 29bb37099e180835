"""Toys that the tests of several floors share: images, a generator, and a step's run."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.rng import Rng, rng
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.generators.generator import Generator
from tests.job_words import job_words
from tests.plugin_toys import environment as environment

os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

CLASSES, SIZE = 3, 8
TOY_DATASET = {"name": "toy", "classes": CLASSES, "size": SIZE, "channels": 3}
TOY_ARCHITECTURE = {
    "architecture": "small_cnn",
    "classes": CLASSES,
    "channels": 3,
    "width": 8,
}


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Readable names of cases: settings and lists tell what they hold."""
    if isinstance(val, Mapping):
        return ",".join(f"{key}={_short(item)}" for key, item in val.items()) or "empty"
    if isinstance(val, list | tuple | set | frozenset | range):
        return ",".join(_short(item) for item in val) or "empty"
    if isinstance(val, bytes):
        return f"{len(val)} bytes"
    if isinstance(val, Tensor | np.ndarray):
        return _short(val)
    name = getattr(val, "__name__", None)
    return name if isinstance(name, str) else None


def _short(item: Any) -> str:
    if isinstance(item, Tensor | np.ndarray):
        return "x".join(map(str, item.shape))
    text = " ".join(str(getattr(item, "__name__", item)).split())
    return text if len(text) <= 30 else f"{text[:27]}..."


def toy_arrays(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and a bright column of blocks whose place is the class."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    images = draw.integers(40, 120, (count, 3, SIZE, SIZE)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, :, 2 * label : 2 * label + 3] += 100
    return images, labels.astype(np.int64)


class ToyGenerator(Generator):
    """An exact manifold in one line: a rotation of all pixels."""

    exact, name = True, "rotation"

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.shape = (3, size, size)
        square = rng(0, "toy generator").normal([3 * size * size] * 2)
        self.register_buffer("rotation", torch.linalg.qr(square.double()).Q.float())

    @property
    def dimensions(self) -> int:
        return math.prod(self.shape)

    def encode(self, images: Tensor) -> Tensor:
        return (images - 0.5).flatten(1) @ self.rotation

    def decode(self, latents: Tensor) -> Tensor:
        return (latents @ self.rotation.T).unflatten(1, self.shape) + 0.5

    def sample(self, count: int, rng: Rng, temperature: float = 0.7) -> Tensor:
        return self.decode(temperature * rng.normal([count, self.dimensions]))


@pytest.fixture(scope="session")
def toy_generator() -> ToyGenerator:
    return ToyGenerator()


@pytest.fixture
def toy_images() -> ImageSet:
    images, labels = toy_arrays(48)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels))


@pytest.fixture
def toy_dataset() -> dict[str, Any]:
    return dict(TOY_DATASET)


@pytest.fixture
def toy_architecture() -> dict[str, Any]:
    return dict(TOY_ARCHITECTURE)


def step_command(
    step: str,
    spec: Mapping[str, Any],
    outputs: Mapping[str, Any],
    inputs: Mapping[str, Any] | None = None,
    processes: int = 1,
) -> list[str]:
    """A step as the rules have it run."""
    words = job_words(step, spec, outputs, inputs or {})
    command = [sys.executable, "-m", f"pipeline_steps.{step}", *words]
    return [*command, "--processes", str(processes)]


@pytest.fixture
def start_step(tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Starts a step by its command line in a folder of its own."""

    def start(
        *told: Any,
        folder: Path = tmp_path,
        environment: Mapping[str, str] | None = None,
        **more: Any,
    ) -> subprocess.Popen:
        return subprocess.Popen(
            step_command(*told, **more),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def run_step(
    start_step: Callable[..., subprocess.Popen],
) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a step to its end."""

    def run(*told: Any, **more: Any) -> subprocess.CompletedProcess:
        process = start_step(*told, **more)
        out, error = process.communicate(timeout=120)
        return subprocess.CompletedProcess(told, process.returncode, out, error)

    return run


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The toy images in their canonical form, with a card, as a step takes them."""
    folder = tmp_path_factory.mktemp("toy")
    files = {}
    for split, count, seed in (("train", 48, 0), ("test", 20, 1)):
        images, labels = toy_arrays(count, seed)
        for name, array in (("images", images), ("labels", labels)):
            files[f"{split}_{name}"] = folder / f"{split}.{name}.npy"
            write_array(files[f"{split}_{name}"], array)
    facts = {role: file_facts(path) for role, path in files.items()}
    card = Card("datasets.build_dataset", {}, {}, {}, facts)
    card.seen_from(folder).write(folder / "card.json")
    return {**files, "card": folder / "card.json"}


@pytest.fixture
def a_sentence() -> Callable[[str], str]:
    """The one line that a failed step leaves for its user; fails on a traceback."""

    def read(stderr: str) -> str:
        assert "Traceback" not in stderr, stderr
        lines = [line for line in stderr.splitlines() if "error: " in line]
        assert len(lines) == 1, stderr
        return lines[0]

    return read
