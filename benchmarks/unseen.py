"""What each unseen attack leaves of one ResNet-18, by UAR's rules and by ours.

python -m benchmarks.unseen --data data/cifar10 [--images 256] [--only fog jpeg]

Both see the same images and budgets. `benchmarks.uar` stands for the released code, in
batches of 16 as DMAT's; random starts differ, so a few verdicts do in any case.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.threats import trained
from benchmarks.uar import Uar
from pipeline_steps.core.rng import image_rng
from pipeline_steps.core.shards import cut
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

BATCH = 16


@dataclass(frozen=True)
class Unseen:
    """An attack at one budget, told in both languages."""

    edit: dict[str, Any]
    """Ours; steps of its size are √steps a budget, or do not depend on it."""
    peer: dict[str, float]
    """The reference's: in numbers from 0 to 255, but for snow and elastic."""
    relative: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def ours(self, steps: int) -> ThreatSpec:
        size = self.edit["epsilon"] if self.relative else 0.001**0.5
        edit = {"step_size": size / steps**0.5, **self.edit}
        objective = {"objective": "cross_entropy"}
        return ThreatSpec.model_validate(
            {"edit": edit, "objective": objective, "steps": steps}
        )


# At 32 pixels, so strong that a part of the images withstands each.
ATTACKS = {
    "fog": Unseen({"perturbation": "fog", "epsilon": 96 / 255}, {"epsilon": 96}),
    "snow": Unseen({"perturbation": "snow", "epsilon": 0.5}, {"epsilon": 0.5}),
    "gabor": Unseen(
        {"perturbation": "gabor", "epsilon": 12.5 / 255, "edited": "rest"},
        {"epsilon": 12.5},
    ),
    "elastic": Unseen(
        {"perturbation": "elastic", "epsilon": 0.5}, {"epsilon": 0.5}, relative=True
    ),
    "jpeg": Unseen(
        {"perturbation": "jpeg", "norm": "l1", "epsilon": 64.0}, {"epsilon": 64}
    ),
    "l1": Unseen(
        {
            "perturbation": "pixel",
            "norm": "l1",
            "epsilon": 780 / 255,
            "frank_wolfe": True,
        },
        {"epsilon": 780},
    ),
    "l2": Unseen(
        {
            "perturbation": "pixel",
            "norm": "l2",
            "epsilon": 0.5,
            "step_size": 0.5 * 0.1417,
            "start_at": "box",
        },
        {"epsilon": 127.5, "step_size": 127.5 * 0.1417},
    ),
}


def left_by_ours(
    model: nn.Module, name: str, images: Tensor, labels: Tensor, steps: int
) -> Tensor:
    """Which images are still known under our attack."""
    threat, right = build_threat(ATTACKS[name].ours(steps), {}), []
    for rows in cut(len(images), 64):
        part = slice(rows.start, rows.stop)
        batch = Batch(images[part], labels[part])
        edited = threat(model, batch, image_rng(0, rows, "attack"))
        right.append(known(model, edited, labels[part]))
    return torch.cat(right)


def left_by_peer(
    model: nn.Module, name: str, images: Tensor, labels: Tensor, steps: int
) -> Tensor:
    """Which images are still known under the reference's attack, batch by batch."""
    peer = Uar(model, steps)
    attack: Callable[..., Tensor] = getattr(peer, name)
    right = []
    for rows in cut(len(images), BATCH):
        part = slice(rows.start, rows.stop)
        edited = attack(images[part], labels[part], **ATTACKS[name].peer)
        right.append(known(model, edited, labels[part]))
    return torch.cat(right)


@torch.no_grad()
def known(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    answer: Tensor = model(images.detach().clamp(0, 1)).argmax(1) == labels
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=int, default=8, help="of the ResNet-18")
    parser.add_argument("--training", type=int, default=1000, help="steps of 64 images")
    parser.add_argument("--only", nargs="*", default=list(ATTACKS), choices=[*ATTACKS])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--data", type=Path, help="a data set in its canonical form")
    parser.add_argument("--weights", type=Path, help="kept there for another run")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    house = trained(told, torch.device("cpu"))
    seen = house.model, house.images, house.labels
    clean = 100 * float(known(*seen).float().mean())
    print(f"{told.images} images, {told.steps} steps, {clean:.2f} % unattacked")
    print("attack      reference     ours   same verdicts")
    for name in told.only:
        model, images, labels = seen
        both = [
            left(model, name, images, labels, told.steps)
            for left in (left_by_peer, left_by_ours)
        ]
        peer, ours = (100 * float(right.float().mean()) for right in both)
        same = 100 * float((both[0] == both[1]).float().mean())
        print(f"{name:10} {peer:10.2f} {ours:8.2f} {same:13.2f} %", flush=True)


if __name__ == "__main__":
    main()
