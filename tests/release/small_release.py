"""A release of untrained networks, made in seconds: real Git, real DVC, real cards."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.load import new_model
from pipeline_steps.generators.generator import build_generator

ARCHITECTURE = {"architecture": "small_cnn", "classes": 10, "channels": 3, "width": 8}
GLOW = {"generator": "glow", "name": "glow", "channels": 3, "size": 8}
GLOW |= {"steps": 1, "width": 8}
WEIGHTS = "results/demo/checkpoints/defenses/digits/at.safetensors"
CARD = "results/demo/cards/defenses/digits/at.json"
FAMILIES = ("data/digits", "results/demo/checkpoints", "results/demo/manifolds")
IMAGES = torch.rand(4, 3, 8, 8, generator=torch.manual_seed(0))
COMPANION = {"architecture": "small_cnn", "classes": 11, "channels": 10, "width": 4}
ATLD = {**ARCHITECTURE, "companion": COMPANION}
IMT = {"epsilon": 0.1, "step_size": 0.1}


def trained(seed: int) -> nn.Module:
    """A network whose batch norm has seen images, so that it has a mode to be in."""
    model = new_model(ARCHITECTURE, seed)
    model(IMAGES)
    return model.eval()


def card(
    root: Path, place: str, spec: Any, inputs: Any, outputs: Any, **metrics: float
) -> None:
    told = {k: [file_facts(root / f)] for k, f in inputs.items()}
    made = {role: file_facts(root / file) for role, file in outputs.items()}
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    Card("a.step", spec, {}, told, made, metrics=metrics).seen_from(path.parent).write(
        path
    )


def release_defense(root: Path, seed: int) -> None:
    write_tensors(root / WEIGHTS, trained(seed).state_dict())
    card(root, CARD, {"architecture": ARCHITECTURE}, {}, {"weights": WEIGHTS})


def release_one_training_of_two_names(root: Path) -> None:
    """`atld-` is trained; `atld` has its weights, and is known by a verdict alone."""
    weights = "results/demo/checkpoints/defenses/digits/atld-.safetensors"
    write_tensors(root / weights, new_model(ATLD, seed=3).state_dict())
    trained = "results/demo/cards/defenses/digits/atld-.json"
    card(root, trained, {"architecture": ATLD}, {}, {"weights": weights})
    inference = {"inference": "manifold_transformation", **IMT}
    spec = {"architecture": {**ATLD, "inference": inference}, "weights": "last"}
    verdict = "results/demo/cards/verdicts/digits/atld/clean.json"
    card(root, verdict, spec, {"weights_card": trained}, {}, accuracy=12.5)


def release_manifold(root: Path) -> None:
    (root / "data/digits").mkdir(parents=True)
    arrays = {"test_images": np.zeros((2, 3, 8, 8), np.uint8)}
    arrays["test_labels"] = np.array([2, 1])
    files = {role: f"data/digits/{role.replace('_', '.')}.npy" for role in arrays}
    for role, array in arrays.items():
        write_array(root / files[role], array)
    data = "data/cards/digits.json"
    card(root, data, {}, {}, files)
    weights = "results/demo/checkpoints/generators/digits/glow.safetensors"
    write_tensors(root / weights, build_generator(GLOW).state_dict())
    place = "results/demo/cards/generators/digits/glow.json"
    card(root, place, {"model": GLOW}, {}, {"weights": weights})
    latents = "results/demo/manifolds/digits/glow/test.latents.npy"
    (root / latents).parent.mkdir(parents=True)
    write_array(root / latents, np.ones((2, 192), np.float32))
    place = "results/demo/cards/manifolds/digits/glow/test.json"
    images = "results/demo/manifolds/digits/glow/test.images.npy"
    write_array(root / images, np.ones((2, 3, 8, 8), np.uint8))
    made = {"latents": latents, "test_images": images}
    card(root, place, {}, {"images_card": data}, made)


@dataclass
class Release:
    """A repository with two published versions of a defense, and its DVC remote."""

    root: Path
    store: Path
    old: str
    new: str

    def copy(self, folder: Path) -> "Release":
        """One to be changed at will, with a store of its own."""
        shutil.copytree(self.root.parent, folder, symlinks=True)
        root, store = folder / self.root.name, folder / self.store.name
        config = root / ".dvc/config"
        config.write_text(config.read_text().replace(str(self.store), str(store)))
        commit(root)
        return Release(root, store, self.old, self.new)

    def keep_remote_only(self) -> None:
        """Large files are neither in the working copy nor in its cache."""
        for place in (".dvc/cache", *FAMILIES):
            shutil.rmtree(self.root / place, ignore_errors=True)


def publish(root: Path) -> str:
    def do(*command: str) -> str:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    do(sys.executable, "-m", "dvc", "add", "--no-relink", *FAMILIES)
    do(sys.executable, "-m", "dvc", "push")
    do("git", "add", ".")
    do("git", "commit", "--quiet", "--message", "Publish")
    return do("git", "rev-parse", "HEAD")


def small_release(root: Path) -> Release:
    """Two versions of a defense, and what else can be loaded, in a repository of its own."""
    root.mkdir()
    store = root.with_name("store")
    config = "[core]\n remote = folder\n analytics = false\n['remote \"folder\"']\n"
    for command in (
        ["git", "init", "--quiet"],
        ["git", "config", "user.name", "A Tester"],
        ["git", "config", "user.email", "tester@example.org"],
        [sys.executable, "-m", "dvc", "init", "--quiet"],
    ):
        subprocess.run(command, cwd=root, check=True)
    (root / ".dvc/config").write_text(f"{config} url = {store}\n")
    release_manifold(root)
    release_one_training_of_two_names(root)
    release_defense(root, seed=1)
    old = publish(root)
    release_defense(root, seed=2)
    return Release(root, store, old, publish(root))


def commit(root: Path) -> None:
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    subprocess.run(["git", "commit", "-qm", "Another change"], cwd=root, check=True)
