"""Augmented training batches a second, beside torchvision's own way of loading them.

python -m benchmarks.loader [--images 10000] [--batch 128] [--repeats 3]

Both give float batches in [0, 1] of shifted and mirrored images of CIFAR-10's shape, on
the CPU: ours from a tensor in memory, the other by torch's DataLoader over a torchvision
data set with transforms v2, with no workers and with two, of which the better counts.
Both see the whole set once, in an order of their own; times are the best of the repeats,
taken in turn.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.core import torchvision_ops  # noqa: F401  before torchvision
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.datasets.spec import Augmentation

HOW = Augmentation(pad=4, flip=True)


def ours(data: ImageSet, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    order = rng(0, "order").permutation(len(data))
    for step, rows in enumerate(order.split(batch)):
        images, labels, _ = data.augmented(rows, HOW, rng(0, "augment", step))
        yield images, labels


def theirs(data: ImageSet, batch: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    from torch.utils.data import DataLoader
    from torchvision.datasets import CIFAR10
    from torchvision.transforms import v2

    whole = CIFAR10.__new__(CIFAR10)  # its reader, on images that were not downloaded
    assert isinstance(data.images, Tensor)
    whole.data = np.ascontiguousarray(data.images.permute(0, 2, 3, 1).numpy())
    whole.targets = data.labels.tolist()
    whole.transform = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomCrop(data.images.shape[-1], padding=HOW.pad),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    whole.target_transform = None
    loader = DataLoader(whole, batch, shuffle=True, num_workers=workers)
    return iter(loader)


def seconds(batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]) -> float:
    start = time.perf_counter()
    for images, _ in batches():
        assert images.dtype == torch.float32
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    pixels = rng(0, "images").integers(0, 256, [told.images, 3, 32, 32])
    labels = rng(0, "labels").integers(0, 10, [told.images])
    data = ImageSet(pixels.to(torch.uint8), labels)
    ways: dict[str, Callable[[], Iterator[tuple[Tensor, Tensor]]]] = {
        "ours": lambda: ours(data, told.batch),
        "torchvision, 0 workers": lambda: theirs(data, told.batch, 0),
        "torchvision, 2 workers": lambda: theirs(data, told.batch, 2),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(told.repeats):
        for name, way in ways.items():
            times[name].append(seconds(way))
    speeds = {name: told.images / min(each) for name, each in times.items()}
    print(
        f"{torch.get_num_threads()} threads, batches of {told.batch}, images a second"
    )
    for name, speed in speeds.items():
        print(f"{name:24}{speed:10,.0f}")
    other = max(speed for name, speed in speeds.items() if name != "ours")
    print(f"{speeds['ours'] / other:.1f} times the better of the two")


if __name__ == "__main__":
    main()
