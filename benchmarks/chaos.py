"""How far apart trainings end that differ only in rounding, compared with other seeds.

python -m benchmarks.chaos --data data/digits --out FOLDER [--trainings at atld-]
    [--nudges 4] [--seeds 4] [--kernels avx2 threads] [--table]

Trains defenses of the demo scale several times each: as they are; with one weight moved to the
next float32 number after the first step (`nudge-1`, …); with the kernels of an older
processor (`avx2`) or with two threads (`threads`), which round differently; and from other
seeds (`seed-1`, …). `CHANGES` lists trainings of a defense with one setting changed.

Each training adds a line to FOLDER/trainings.jsonl; trainings that are there already are
skipped. --table prints a summary of the file: mean and range of each accuracy, and the distance
of the weights from those of the unchanged training after some steps, relative to their norm.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from pipeline_steps.config.load import load_config
from pipeline_steps.core.rng import image_rng
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.datasets.loader import ImageSet, load_image_set
from pipeline_steps.defenses.load import with_weights
from pipeline_steps.defenses.recipes import atld
from pipeline_steps.defenses.spec import DefenseSpec
from pipeline_steps.defenses.train_defense import train_defense
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.frozen import frozen, logits_of
from pipeline_steps.threats.threat import Threat

CPU = torch.device("cpu")
# A defense of the config, and settings of its recipe that are changed.
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "atld-, share 0.1": ("atld-", {"share": 0.1}),
    "atld-, share 0": ("atld-", {"share": 0.0}),
}
# ATLD pulls the logits of attacked images towards those of clean ones, which it computes in
# eval mode. In this training batch norm uses the batch's statistics for them, too.
BY_BATCH = "atld-, clean logits by batch"
CHANGES[BY_BATCH] = ("atld-", {})
# The same weights with IMT, as ATLD's tables print them.
WITH_INFERENCE = {"atld-": "atld"}
KERNELS = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "threads": {"OMP_NUM_THREADS": "2"},
}
UNCHANGED = "as it is"
NOTED_STEPS = (1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 285)
ATTACK_BATCH = 180
AVERAGED_EPOCHS = 5
ACCURACIES = ("clean", "pgd20", "imt clean", "imt pgd20", "mean clean", "mean pgd20")


class Trace:
    """Notes a network's weights after some steps, and moves one of them after the first.

    The first optimiser that takes a step is the network's own; a discriminator has another.
    """

    def __init__(self, nudged: int) -> None:
        self.nudged, self.step = nudged, 0
        self.optimiser: Any = None
        self.weights: dict[str, Tensor] = {}

    def __call__(self, optimiser: Any, *_: Any) -> None:
        self.optimiser = self.optimiser or optimiser
        if optimiser is not self.optimiser:
            return
        self.step += 1
        parameters = optimiser.param_groups[0]["params"]
        if self.step == 1 and self.nudged:
            nudge(parameters[0], self.nudged)
        if self.step in NOTED_STEPS:
            flat = [p.detach().flatten() for p in parameters]
            self.weights[str(self.step)] = torch.cat(flat)


@contextmanager
def frozen_by_batch(network: nn.Module) -> Iterator[None]:
    """As `frozen`, but batch norm uses the batch and leaves its running statistics alone."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    with frozen(network):
        for norm in norms:
            norm.train()
            norm.momentum = 0.0
        try:
            yield
        finally:
            for norm, momentum in zip(norms, before, strict=True):
                norm.momentum = momentum


@torch.no_grad()
def nudge(tensor: Tensor, number: int) -> None:
    """Moves one entry to the next larger number."""
    index = tuple(torch.unravel_index(torch.tensor(number), tensor.shape))
    tensor[index] = torch.nextafter(tensor[index], torch.tensor(torch.inf))


@dataclass
class Training:
    """One training, and what its network answers."""

    name: str
    data: Path
    seed: int = 0
    nudged: int = 0
    specs: Specs = field(default_factory=lambda: Specs(load_config("demo")))

    def __post_init__(self) -> None:
        self.trace = Trace(self.nudged)
        self.test_images = self._images("test")
        self.attack = build_threat(self.specs.threat("pgd20", "digits"), {})

    def _images(self, split: str) -> ImageSet:
        files = [self.data / f"{split}.{what}.npy" for what in ("images", "labels")]
        return load_image_set(files[0], files[1], CPU)

    def spec(self) -> DefenseSpec:
        """The demo's spec, with the weights kept after every epoch."""
        defense, changed = CHANGES.get(self.name, (self.name, {}))
        spec = self.specs.defense("digits", defense)
        epochs = list(range(1, spec.schedule.epochs + 1))
        update = {"recipe": {**spec.recipe, **changed}, "snapshots": epochs}
        return spec.model_copy(update={**update, "seed": self.seed})

    def run(self) -> dict[str, Any]:
        """Its accuracies and losses; the weights on the way are in `trace`."""
        spec, images = self.spec(), self._images("train")
        hook = register_optimizer_step_post_hook(self.trace)
        with tempfile.TemporaryDirectory() as folder:
            with mock.patch.object(atld, "frozen", self._frozen()):
                model, losses = train_defense(spec, images, {}, Path(folder), CPU)
            kept = [read_tensors(path) for path in sorted(Path(folder).glob("epoch-*"))]
        hook.remove()
        networks = [self._network(spec.architecture, state) for state in kept]
        averaged = self._network(spec.architecture, mean_of(kept[-AVERAGED_EPOCHS:]))
        self.answers = self._answers(model)
        numbers = {
            "clean": self._accuracy(self.answers),
            "pgd20": self._accuracy(self._answers(model, model)),
            "mean clean": self._accuracy(self._answers(averaged)),
            "mean pgd20": self._accuracy(self._answers(averaged, averaged)),
        }
        if self.name in WITH_INFERENCE:
            deployed = WITH_INFERENCE[self.name]
            network = self.specs.entries.deployed_network(deployed, "digits")
            moving = self._network(network, model.state_dict())
            numbers["imt clean"] = self._accuracy(self._answers(moving))
            numbers["imt pgd20"] = self._accuracy(self._answers(moving, model))
        curve = [self._accuracy(self._answers(network)) for network in networks]
        return {**numbers, "clean by epoch": curve, "losses": losses}

    def _frozen(self) -> Any:
        return frozen_by_batch if self.name == BY_BATCH else frozen

    def _network(self, architecture: Any, state: dict[str, Tensor]) -> nn.Module:
        return with_weights(architecture, state, self.name)

    def _answers(self, model: nn.Module, attacked: nn.Module | None = None) -> Tensor:
        """The class of each test image, as it is or crafted on another network."""
        classes = []
        for start in range(0, len(self.test_images), ATTACK_BATCH):
            rows = range(len(self.test_images))[start : start + ATTACK_BATCH]
            images, labels = self.test_images[torch.tensor(rows)]
            if attacked:
                images = crafted(self.attack, attacked, Batch(images, labels), rows)
            classes.append(logits_of(model, images).argmax(1))
        return torch.cat(classes)

    def _accuracy(self, answers: Tensor) -> float:
        return 100 * (answers == self.test_images.labels).float().mean().item()


def crafted(attack: Threat, model: nn.Module, batch: Batch, rows: range) -> Tensor:
    with frozen(model):
        return attack(model, batch, image_rng(0, rows, "attack", device=CPU)).detach()


def mean_of(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0)
        for name in states[0]
    }


def train(data: Path, out: Path, name: str, variation: str) -> None:
    """Adds the line of one training; the unchanged one leaves what others are held to."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    kind, _, number = variation.partition("-")
    seed = int(number) if kind == "seed" else 0
    nudged = int(number) if kind == "nudge" else 0
    training = Training(name, data, seed, nudged)
    line = {"training": name, "variation": variation, **training.run()}
    reference = out / f"{name}.safetensors"
    if variation == UNCHANGED:
        write_tensors(
            reference, {**training.trace.weights, "answers": training.answers}
        )
    before = read_tensors(reference)
    alike = (before["answers"] == training.answers).float().mean().item()
    line["answers alike"] = 100 * alike
    line["apart"] = {
        step: ((weights - before[step]).norm() / before[step].norm()).item()
        for step, weights in training.trace.weights.items()
        if step in before
    }
    with (out / "trainings.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def lines_of(out: Path) -> list[dict[str, Any]]:
    path = out / "trainings.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def kind_of(line: dict[str, Any]) -> str:
    kind = str(line["variation"]).partition("-")[0]
    return "rounding" if kind in {UNCHANGED, "nudge", *KERNELS} else "seeds"


def show(lines: list[dict[str, Any]]) -> None:
    """The table of one training: rounding against seeds, and how its weights part."""
    print(lines[0]["training"])
    unchanged = [line for line in lines if line["variation"] == UNCHANGED]
    for kind, members in groupby(sorted(lines, key=kind_of), kind_of):
        group = list(members)
        # The unchanged training is a seed, too.
        group = unchanged + group if kind == "seeds" else group
        parts = [
            f"{what} {spread([line[what] for line in group])}"
            for what in ACCURACIES
            if what in group[0]
        ]
        print(f"  {kind}, {len(group)} trainings: " + "; ".join(parts))
    for line in lines:
        steps = " ".join(f"{step}:{far:.0e}" for step, far in line["apart"].items())
        print(
            f"  {line['variation']:9} answers alike {line['answers alike']:.1f}; {steps}"
        )
    for line in lines:
        curve = " ".join(f"{clean:.0f}" for clean in line["clean by epoch"])
        print(f"  {line['variation']:9} clean by epoch {curve}")


def spread(numbers: list[float]) -> str:
    middle = statistics.mean(numbers)
    return f"{middle:.1f} ({min(numbers):.1f} to {max(numbers):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    defenses = ["at", "feature-scattering", "atld-", *CHANGES]
    parser.add_argument("--trainings", nargs="*", default=defenses)
    parser.add_argument("--nudges", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--kernels", nargs="*", default=list(KERNELS), choices=KERNELS)
    parser.add_argument("--table", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.table:
        variations = [UNCHANGED]
        variations += [f"nudge-{n + 1}" for n in range(arguments.nudges)]
        variations += arguments.kernels
        variations += [f"seed-{n + 1}" for n in range(arguments.seeds)]
        train_all(arguments.data, arguments.out, arguments.trainings, variations)
    lines = lines_of(arguments.out)
    for name in dict.fromkeys(line["training"] for line in lines):
        show([line for line in lines if line["training"] == name])


def train_all(data: Path, out: Path, names: list[str], variations: list[str]) -> None:
    done = {(line["training"], line["variation"]) for line in lines_of(out)}
    for name, variation in ((n, v) for n in names for v in variations):
        if (name, variation) in done:
            continue
        # A process of its own, since torch chooses its kernels when it starts.
        kernels = environment(KERNELS.get(variation, {}))
        with kernels, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(train, data, out, name, variation).result()


if __name__ == "__main__":
    main()
