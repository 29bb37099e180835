"""The arguments of `robust-papers evaluate`, resolved by name, and how its results are
shown."""

import json
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import factory_files
from pipeline_steps.datasets import albums
from pipeline_steps.datasets.loader import floats
from pipeline_steps.datasets.photographs import decode
from pipeline_steps.defenses.own_model import made_by
from pipeline_steps.defenses.own_weights import put_weights, read_weights
from robust_papers.evaluation import Evaluation
from robust_papers.images import load_images
from robust_papers.threats import LoadedThreat, load_threat


class Normalised(nn.Module):
    """A model that takes images in [0, 1] and normalises them first."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model((images - self.mean) / self.std)
        return logits


def model_of(
    factory: str,
    weights: Path | None,
    arguments: Sequence[str],
    mean: str | None,
    std: str | None,
) -> nn.Module:
    """The model that a factory makes, with its weights and its normalisation."""
    if ":" not in factory:
        raise PipelineError(
            f"'{factory}' names no function; write FILE.py:NAME, or MODULE:NAME for "
            "an installed module"
        )
    if not factory_files(factory):
        raise PipelineError(
            f"{factory.rpartition(':')[0]} is neither a file in this folder nor an "
            "installed module"
        )
    model = made_by(factory, _settings(arguments))
    if weights is not None:
        if not weights.is_file():
            raise PipelineError(f"there is no file {weights}")
        put_weights(model, read_weights(weights), weights)
    if (mean is None) != (std is None):
        raise PipelineError("--mean and --std belong together; give both")
    if mean is not None and std is not None:
        model = Normalised(model, _numbers("--mean", mean), _numbers("--std", std))
    return model.to(prepare_device())


def _settings(arguments: Sequence[str]) -> Mapping[str, Any]:
    """`classes=10` as own.yaml has it under `arguments`."""
    settings = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name.isidentifier():
            raise PipelineError(f"--argument must be NAME=VALUE, not '{argument}'")
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise PipelineError(
                f"--argument {name}: '{value}' is not a value"
            ) from None
    return settings


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise PipelineError(
            f"{option} must be a number for each channel, such as 0.485,0.456,0.406, not "
            f"'{text}'"
        ) from None


def images_of(data: str, size: int | None, count: int | None) -> tuple[Tensor, Tensor]:
    """Images and classes: of a data set by its name, a file or a folder."""
    place = Path(data)
    if place.is_dir():
        return _of_folder(place, size, count)
    if place.suffix == ".npz":
        images, labels = _of_file(place)
    else:
        images, labels = load_images(data)
    return images[:count], labels[:count]


def _of_file(path: Path) -> tuple[Tensor, Tensor]:
    """The arrays `images` and `labels` of an .npz."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
            if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray):
                raise ValueError("they are no arrays")
    except FileNotFoundError:
        raise PipelineError(f"there is no file {path}") from None
    except (
        *(KeyError, TypeError, ValueError, OSError, EOFError, MemoryError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        reason = str(error).partition("\n")[0]
        raise PipelineError(
            f"{path} does not hold the arrays `images` and `labels` ({reason}); write it "
            "with numpy.savez(path, images=…, labels=…)"
        ) from None
    if images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    pixels = torch.tensor(images)
    return floats(pixels) if pixels.dtype == torch.uint8 else pixels, torch.tensor(
        labels
    )


def _of_folder(
    place: Path, size: int | None, count: int | None
) -> tuple[Tensor, Tensor]:
    """A folder of images for each class, the classes in alphabetical order and in turn."""
    if size is None:
        raise PipelineError(
            f"{place} has images of different sizes; give the model's with --size"
        )
    album = albums.album_at(place)
    classes = album.classes() if album else []
    if not album or not classes:
        raise PipelineError(f"{place} holds no folder of images for each class")
    files = [album.files(name) for name in classes]
    turns = zip_longest(*files)  # so that the first thousand are of every class
    rows = [(label, file) for turn in turns for label, file in enumerate(turn) if file]
    shape: Any = SimpleNamespace(name=str(place), size=size, channels=3)
    pixels = [
        decode(album.read(classes[label], file), file, shape, "crop")
        for label, file in rows[:count]
    ]
    labels = torch.tensor([label for label, _ in rows[:count]])
    return floats(torch.tensor(np.stack(pixels))), labels


def threats_of(
    names: Sequence[str], budgets_of: str, steps: int | None
) -> list[LoadedThreat]:
    """Threats by name; none takes more steps than there may be."""
    loaded = []
    for name in names:
        threat = load_threat(name, budgets_of)
        own = threat.spec.model_dump().get("steps", 0)
        if steps is not None and own > steps:
            shorter = load_threat(name, budgets_of, steps=steps)
            threat = replace(shorter, name=f"{name} in {steps} steps")
        loaded.append(threat)
    return loaded


def show(result: Evaluation) -> None:
    """Prints a table on a terminal, else a line for each threat; then what is suspect."""
    if sys.stdout.isatty():
        _show_table(result)
    else:
        print(result)


def _show_table(result: Evaluation) -> None:
    # Imported here, because output in a pipe needs no table.
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    table.add_column("threat", style="bold")
    table.add_column("accuracy", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("what it is")
    for name, under in result.results.items():
        interval = f"[{under.interval.low:.2f}, {under.interval.high:.2f}]"
        table.add_row(name, f"{under.accuracy:.2f} %", escape(interval), under.title)
    console = Console()
    console.print(table)
    for flag in result.red_flags:
        console.print(f"red flag: {flag}", style="red", markup=False)


def as_json(result: Evaluation) -> str:
    """The same as one JSON document."""
    rows = result.to_frame().to_dict(orient="records")
    return json.dumps({"threats": rows, "red_flags": result.red_flags}, indent=2)
