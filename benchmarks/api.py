"""`evaluate` beside a program of torchattacks' users, for the same question.

python -m benchmarks.api [--images 256] [--data data/cifar10] [--threads 2]

Both are asked what a ResNet-18 keeps under PGD-20 from the image itself, without a random
start, so that their verdicts can be the same. Each program is timed from its first line to
the printed accuracy; its lines are counted as they stand below. torchattacks is installed
with `pip install --no-deps torchattacks`.
"""

import argparse
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.machine import seconds
from benchmarks.threats import House, trained


def ours(model: nn.Module, images: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    from robust_papers import evaluate, load_threat

    pgd = load_threat("fgsm", epsilon=epsilon, step_size=epsilon / 4, steps=20)
    result = evaluate(model, pgd, (images, labels))
    print(result)
    return torch.tensor(result["fgsm"].correct)


def theirs(model: nn.Module, images: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    import torchattacks

    attack = torchattacks.PGD(
        model, eps=epsilon, alpha=epsilon / 4, steps=20, random_start=False
    )
    clean, right = [], []
    for start in range(0, len(images), 250):
        some, classes = images[start : start + 250], labels[start : start + 250]
        edited = attack(some, classes)
        with torch.no_grad():
            clean.append(model(some).argmax(1) == classes)
            right.append(model(edited).argmax(1) == classes)
    print(f"clean: {100 * torch.cat(clean).float().mean():.2f} %")
    print(f"PGD-20: {100 * torch.cat(right).float().mean():.2f} %")
    return torch.cat(right)


def lines(program: Callable[..., Tensor]) -> int:
    """The lines between a program's head and its `return`."""
    body = textwrap.dedent(inspect.getsource(program)).splitlines()[1:-1]
    return sum(bool(line.strip()) for line in body)


def timed(program: Callable[..., Tensor], house: House) -> tuple[float, Tensor]:
    device = house.images.device
    begin = seconds(device)
    right = program(house.plain, house.images, house.labels, house.epsilon)
    return seconds(device) - begin, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--training", type=int, default=60)
    parser.add_argument("--width", type=int, default=64)
    parser.set_defaults(weights=None, batch=250)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    house = trained(options, torch.device("cpu"))
    best: dict[str, float] = {}
    verdicts: dict[str, Tensor] = {}
    for _ in range(options.repeats):
        for program in (theirs, ours):
            taken, verdicts[program.__name__] = timed(program, house)
            name = program.__name__
            best[name] = min(taken, best.get(name, taken))
    same = (verdicts["ours"] == verdicts["theirs"]).float().mean()
    for name, program in (("ours", ours), ("theirs", theirs)):
        print(f"{name}: {lines(program)} lines, {best[name]:.1f} processor seconds")
    print(
        f"theirs / ours: {best['theirs'] / best['ours']:.2f}; same verdicts: {same:.1%}"
    )


if __name__ == "__main__":
    main()
