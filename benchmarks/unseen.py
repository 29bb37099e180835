"""What each unseen attack leaves of one small network, by UAR's rules and by ours.

python -m benchmarks.unseen --data data/cifar10 [--images 128] [--only fog jpeg]

Both see the same images and budgets. `benchmarks.uar` stands for the released code, in
batches of 16 as DMAT's. It runs with two seeds, for random starts, streaks and waves alone
change some verdicts.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.threats import teach
from benchmarks.uar import Uar
from pipeline_steps.core.rng import image_rng
from pipeline_steps.core.shards import cut
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.datasets.loader import floats, load_image_set
from pipeline_steps.defenses.load import new_model
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

BATCH = 16


@dataclass(frozen=True)
class Unseen:
    """An attack at one budget, told to both."""

    name: str
    edit: dict[str, Any]
    peer: dict[str, float]

    def ours(self, steps: int) -> ThreatSpec:
        return ThreatSpec.model_validate(
            {
                "edit": self.edit,
                "objective": {"objective": "cross_entropy"},
                "steps": steps,
            }
        )


def unseen(name: str, epsilon: float, steps: int, **changed: Any) -> Unseen:
    """An attack with so much: in pixels for elastic, of 255 for the other edits but snow."""
    amount = epsilon if name in ("snow", "elastic", "jpeg") else epsilon / 255
    word, own = {
        "fog": ("fog", {}),
        "snow": ("snow", {}),
        "gabor": ("gabor", {"edited": "rest"}),
        "elastic": ("elastic", {}),
        "jpeg": ("jpeg", {"norm": "l1"}),
        "l1": ("pixel", {"norm": "l1", "frank_wolfe": True}),
        "l2": ("pixel", {"norm": "l2", "start_at": "box"}),
    }[name]
    # The numbers of fog, snow and Gabor move alike whatever the budget is.
    size = 0.001**0.5 if name in ("fog", "snow", "gabor") else amount
    step = size / steps**0.5
    edit = {"perturbation": word, "epsilon": amount, "step_size": step, **own}
    peer = {"epsilon": epsilon}
    if name == "l2":
        peer["step_size"] = 255 * step
    return Unseen(name, {**edit, **changed}, peer)


# At 32 pixels, so strong that a part of the images withstands each.
BUDGETS = {
    "fog": 96,
    "snow": 0.5,
    "gabor": 12.5,
    "elastic": 0.5,
    "jpeg": 64,
    "l1": 780,
    "l2": 127.5,
}


def left_by_ours(
    model: nn.Module, attack: Unseen, images: Tensor, labels: Tensor, steps: int
) -> Tensor:
    """Which images are still known under our attack."""
    threat, right = build_threat(attack.ours(steps), {}), []
    for rows in cut(len(images), BATCH):
        part = slice(rows.start, rows.stop)
        batch = Batch(images[part], labels[part])
        edited = threat(model, batch, image_rng(0, rows, "attack"))
        right.append(known(model, edited, labels[part]))
    return torch.cat(right)


def left_by_peer(
    model: nn.Module,
    attack: Unseen,
    images: Tensor,
    labels: Tensor,
    steps: int,
    seed: int = 0,
) -> Tensor:
    """Which images are still known under the reference's attack, batch by batch."""
    peer: Callable[..., Tensor] = getattr(Uar(model, steps, seed), attack.name)
    right = []
    for rows in cut(len(images), BATCH):
        part = slice(rows.start, rows.stop)
        edited = peer(images[part], labels[part], **attack.peer)
        right.append(known(model, edited, labels[part]))
    return torch.cat(right)


def trained(told: argparse.Namespace) -> tuple[nn.Module, Tensor, Tensor]:
    """A small network after some steps of FGSM, with images that it never saw."""
    train, test = (
        load_image_set(
            told.data / f"{part}.images.npy",
            told.data / f"{part}.labels.npy",
            torch.device("cpu"),
        )
        for part in ("train", "test")
    )
    entry = {"architecture": "small_cnn", "classes": 10, "channels": 3}
    model = new_model({**entry, "width": told.width}, seed=0)
    if told.weights and told.weights.exists():
        model.load_state_dict(read_tensors(told.weights))
    else:
        few = floats(train.images[:20000])
        teach(model, few, train.labels[: len(few)], 2 / 255, told.training)
        if told.weights:
            write_tensors(told.weights, model.state_dict())
    model.eval().requires_grad_(False)
    return model, floats(test.images[: told.images]), test.labels[: told.images]


@torch.no_grad()
def known(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    answer: Tensor = model(images.detach().clamp(0, 1)).argmax(1) == labels
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--width", type=int, default=16, help="of the network")
    parser.add_argument("--training", type=int, default=1000, help="steps of 64 images")
    parser.add_argument("--only", nargs="*", default=list(BUDGETS), choices=[*BUDGETS])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--data", type=Path, required=True, help="in its canonical form"
    )
    parser.add_argument("--weights", type=Path, help="kept there for another run")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    model, images, labels = trained(told)
    clean = 100 * float(known(model, images, labels).float().mean())
    print(f"{told.images} images, {told.steps} steps, {clean:.2f} % unattacked")
    print("           reference  another seed     ours  same verdicts: again, ours")
    for name in told.only:
        attack = unseen(name, BUDGETS[name], told.steps)
        seen = model, attack, images, labels, told.steps
        first, again = (left_by_peer(*seen, seed) for seed in (0, 1))
        ours = left_by_ours(*seen)
        left = [100 * float(right.float().mean()) for right in (first, again, ours)]
        same = [100 * float((first == right).float().mean()) for right in (again, ours)]
        print(
            f"{name:10} {left[0]:9.2f} {left[1]:13.2f} {left[2]:8.2f}"
            f" {same[0]:13.2f} {same[1]:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
