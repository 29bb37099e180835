"""How many images each attack leaves right, beside torchattacks' on the same ResNet-18.

python -m benchmarks.oracles --data data/cifar10 [--images 1000] [--only fab square]

PGD, FGSM, MIA, CW's margin, APGD, FAB and Square, all from the clean image where they
can be, and images judged by the plain network. What torchattacks puts outside of the
budget doesn't count. It is installed with `pip install --no-deps torchattacks`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.threats import Attack, House, trained
from pipeline_steps.core.shards import cut


def pairs(
    house: House, steps: int, queries: int
) -> Iterator[tuple[str, Attack, Attack]]:
    """Every attack with its peer."""
    peer = house.torchattacks
    whole = {"perturbation": "pixel", "epsilon": house.epsilon, "start_at": "zero"}
    pixel = {**whole, "step_size": house.epsilon / 4}
    objective = {"objective": "cross_entropy"}
    course = {"alpha": house.epsilon / 4, "steps": steps}

    def ascent(**more: object) -> Attack:
        spec = {"edit": pixel, "objective": objective, "steps": steps} | more
        return house.ours("float32", **spec)

    def other(word: str, **settings: object) -> Attack:
        return house.ours("float32", attack=word, epsilon=house.epsilon, **settings)

    full = {**whole, "step_size": house.epsilon}
    yield "FGSM", ascent(edit=full, steps=1), peer("FGSM")
    yield f"PGD-{steps}", ascent(), peer("PGD", random_start=False, **course)
    yield f"MIA-{steps}", ascent(momentum=1.0), peer("MIFGSM", decay=1.0, **course)
    margin = {"objective": "margin", "confidence": 50}
    yield f"CW-{steps}", ascent(objective=margin), published_margin(house, steps)
    yield f"APGD-CE-{steps}", other("apgd", steps=steps), peer("APGD", steps=steps)
    targeted = {"loss": "targeted", "steps": steps}
    yield (
        f"APGD-T-{steps}",
        other("apgd", **targeted),
        peer("APGDT", steps=steps, n_classes=10, seed=0),
    )
    yield (
        f"FAB-T-{steps}",
        other("fab", steps=steps),
        peer("FAB", steps=steps, n_classes=10, multi_targeted=True),
    )
    yield (
        f"Square, {queries} queries",
        other("square", queries=queries),
        peer("Square", n_queries=queries, seed=0),
    )


def published_margin(house: House, steps: int) -> Attack:
    """CW as Feature Scattering's and ATLD's code has it; torchattacks' is another attack."""

    def attack(images: Tensor, labels: Tensor, rows: range) -> Tensor:
        point, own = images, functional.one_hot(labels, 10)
        for _ in range(steps):
            leaf = point.clone().requires_grad_()
            logits = house.model(leaf)
            right = (own * logits).sum(dim=1)
            wrong = ((1 - own) * logits - 1e4 * own).max(dim=1).values
            (gradient,) = torch.autograd.grad(-(right - wrong + 50).relu().sum(), leaf)
            moved = point + house.epsilon / 4 * gradient.sign()
            moved = moved.clamp(images - house.epsilon, images + house.epsilon)
            point = moved.clamp(0, 1)
        return point

    return attack


def left(house: House, attack: Attack, images: int) -> Tensor:
    """Which images the network still knows."""
    right = []
    for rows in cut(images, house.batch):
        clean = house.images[rows.start : rows.stop]
        labels = house.labels[rows.start : rows.stop]
        edited = attack(clean, labels, rows).detach()
        inside = (edited - clean).abs().flatten(1).amax(dim=1) <= house.epsilon + 1e-6
        with torch.no_grad():
            told = [
                house.model(part).argmax(dim=1) == labels for part in (clean, edited)
            ]
        right.append(torch.where(inside, told[1], told[0]))
    return torch.cat(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--width", type=int, default=16, help="of the ResNet-18")
    parser.add_argument("--training", type=int, default=300, help="steps of 64 images")
    parser.add_argument("--only", nargs="*", default=[""], help="how names begin")
    parser.add_argument("--data", type=Path, help="a data set in its canonical form")
    parser.add_argument("--weights", type=Path, help="kept there for another run")
    told = parser.parse_args()
    house = trained(told, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    print("attack                   ours   torchattacks   same verdicts")
    for name, ours, peer in pairs(house, told.steps, told.queries):
        if not name.lower().startswith(tuple(told.only)):
            continue
        rights = [left(house, attack, told.images) for attack in (ours, peer)]
        accuracies = [100 * float(right.float().mean()) for right in rights]
        same = 100 * float((rights[0] == rights[1]).float().mean())
        print(f"{name:22} {accuracies[0]:6.2f} {accuracies[1]:14.2f} {same:13.2f} %")


if __name__ == "__main__":
    main()
