"""A training step of AT and of TRADES beside a plain loop: time, memory and losses.

python -m benchmarks.defenses --data data/cifar10 [--recipes at trades] [--batch 128]
    [--steps 2] [--repeats 3] [--curve 200]

The plain loop is written from the formulas in the obvious way: float32, contiguous
tensors, torch's own SGD, nothing fused, nothing shared. It comes in two forms, for both are
common: the attack's gradient by `autograd.grad` of the images alone, or by `backward()`,
which finds the weights' gradients too and throws them away. TRADES' asks the clean images
anew in each step of its attack, as its authors' code does. Both loops train the same
network on the same images in the same order; ours is the project's own training, on the
paper's spec. Each runs in a process of its own; times are the processor's, which other
work on the machine disturbs less.

--curve N compares the mean losses of tenths of N steps under two seeds, at --curve-width
and --curve-batch. On a GPU images a second are printed, and which share of the card's
bfloat16 rate is reached, for AT and IJSAT on ResNet-18 and for AT on WRN-28-10.
"""

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import peak, synchronise
from pipeline_steps.config.load import load_config
from pipeline_steps.core.malloc import keep_freed_memory
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.loader import ImageSet, load_image_set
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.spec import DefenseSpec
from pipeline_steps.defenses.train_defense import BatchOrder, train_defense
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.specs import Specs

EPSILON, STEP, STEPS, BETA = 8 / 255, 2 / 255, 10, 6.0
WAYS = ("plain", "plain, backward()", "ours, float32", "ours, bfloat16")
Gradient = Callable[[Tensor, Tensor], Tensor]


def by_grad(loss: Tensor, images: Tensor) -> Tensor:
    return torch.autograd.grad(loss, images)[0]


def by_backward(loss: Tensor, images: Tensor) -> Tensor:
    loss.backward()
    assert images.grad is not None
    return images.grad


def ascended(
    images: Tensor, start: Tensor, loss: Callable[[Tensor], Tensor], gradient: Gradient
) -> Tensor:
    """Ten signed steps inside the ball, and inside of [0, 1]."""
    attacked = (start.clamp(-EPSILON, EPSILON) + images).clamp(0, 1)
    for _ in range(STEPS):
        attacked = attacked.detach().requires_grad_()
        uphill = gradient(loss(attacked), attacked).sign()
        moved = (attacked.detach() + STEP * uphill) - images
        attacked = (images + moved.clamp(-EPSILON, EPSILON)).clamp(0, 1)
    return attacked.detach()


def plain_at(
    model: nn.Module, images: Tensor, labels: Tensor, gradient: Gradient
) -> Tensor:
    def loss(attacked: Tensor) -> Tensor:
        return functional.cross_entropy(model(attacked), labels)

    model.eval()
    start = (2 * torch.rand_like(images) - 1) * EPSILON
    attacked = ascended(images, start, loss, gradient)
    model.train()
    return functional.cross_entropy(model(attacked), labels)


def plain_trades(
    model: nn.Module, images: Tensor, labels: Tensor, gradient: Gradient
) -> Tensor:
    def moved(attacked: Tensor, reduction: str) -> Tensor:
        attacked, clean = model(attacked), model(images)
        return functional.kl_div(
            attacked.log_softmax(1), clean.softmax(1), reduction=reduction
        )

    model.eval()
    start = 0.001 * torch.randn_like(images)
    attacked = ascended(images, start, lambda x: moved(x, "sum"), gradient)
    model.train()
    natural = functional.cross_entropy(model(images), labels)
    return natural + BETA * moved(attacked, "batchmean")


PLAIN = {"at": plain_at, "trades": plain_trades}


def plain(spec: DefenseSpec, data: ImageSet, gradient: Gradient) -> list[float]:
    """The plain loop; the mean loss of each epoch."""
    torch.manual_seed(spec.seed)
    model: nn.Module = new_model(spec.architecture, spec.seed)
    model = model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    schedule = spec.schedule
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=schedule.learning_rate or 0,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        foreach=False,
    )
    batch_order, told = BatchOrder(data, schedule, spec.seed), []
    for epoch in range(schedule.epochs):
        losses = []
        for step in range(batch_order.steps_of_epoch):
            rows, draw = (
                batch_order.rows(epoch, step),
                rng(spec.seed, "augment", epoch, step),
            )
            images, labels, _ = data.augmented(rows, spec.augmentation, draw)
            loss = PLAIN[spec.name](model, images.contiguous(), labels, gradient)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        told.append(sum(losses) / len(losses))
    return told


def ours(
    spec: DefenseSpec,
    data: ImageSet,
    precision: str,
    generators: dict[str, Any] | None = None,
) -> list[float]:
    schedule = spec.schedule.model_copy(update={"precision": precision})
    spec = spec.model_copy(update={"schedule": schedule})
    with tempfile.TemporaryDirectory() as scratch:
        told = spec, data, generators or {}, Path(scratch), data.labels.device
        return train_defense(*told)[1]


def trained(way: str, spec: DefenseSpec, data: ImageSet) -> list[float]:
    if way.startswith("plain"):
        return plain(spec, data, by_backward if "backward" in way else by_grad)
    return ours(spec, data, way.removeprefix("ours, "))


def spec_of(name: str, batch: int, epochs: int = 1, **more: Any) -> DefenseSpec:
    """The paper's, of another length; without weights kept on the way."""
    spec = Specs(load_config("paper")).defense("cifar10", name)
    shorter = {"epochs": epochs, "batch": batch, "drops": []}
    architecture = {**spec.architecture, **more.pop("architecture", {})}
    schedule = spec.schedule.model_copy(update=shorter)
    changed = {"schedule": schedule, "snapshots": 0, "architecture": architecture}
    return spec.model_copy(update=changed | more)


def first(data: ImageSet, images: int) -> ImageSet:
    return ImageSet(data.images[torch.arange(images)], data.labels[:images])


def run(way: str, spec: DefenseSpec, data: ImageSet) -> tuple[list[float], int]:
    """Seconds of each step after the first, and MiB at most, of a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(timed, way, spec, data).result()


def timed(way: str, spec: DefenseSpec, data: ImageSet) -> tuple[list[float], int]:
    torch.set_num_threads(1)
    ends: list[float] = []

    def note(*_: Any) -> None:
        ends.append(time.process_time())

    register_optimizer_step_post_hook(note)
    if way.startswith("ours"):
        keep_freed_memory()  # as every step does when it is run
    trained(way, spec, data)
    seconds = [after - before for before, after in pairwise(ends)]
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def times(spec: DefenseSpec, data: ImageSet, steps: int, repeats: int) -> None:
    """Seconds of a step in each way, in turn and back again."""
    some = first(data, (steps + 1) * spec.schedule.batch)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    memory = dict.fromkeys(WAYS, 0)
    for number in range(repeats):
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            taken, most = run(way, spec, some)
            seconds[way] += taken
            memory[way] = max(memory[way], most)
    median = {way: statistics.median(taken) for way, taken in seconds.items()}
    print(f"{spec.name}: seconds of a step of {spec.schedule.batch} images")
    for way in WAYS:
        ratios = [
            median["plain"] / median[way],
            median["plain, backward()"] / median[way],
        ]
        print(
            f"  {way:18} median {median[way]:7.3f}, least {min(seconds[way]):7.3f}; plain "
            f"takes {ratios[0]:.2f} and {ratios[1]:.2f} times as long; {memory[way]} MiB",
            flush=True,
        )


def curve(spec: DefenseSpec, data: ImageSet, steps: int) -> None:
    """Losses of plain and ours under two seeds, and how far apart they are."""
    some = first(data, steps // spec.schedule.epochs * spec.schedule.batch)
    told = {
        (way, seed): trained(way, spec.model_copy(update={"seed": seed}), some)
        for seed in (0, 1)
        for way in ("plain", "ours, bfloat16")
    }
    print(f"{spec.name}: mean losses of tenths of {steps} steps")
    for (way, seed), losses in told.items():
        print(f"  {way:16} seed {seed}  " + " ".join(f"{loss:.3f}" for loss in losses))
    between = distance(told["plain", 0], told["plain", 1])
    for seed in (0, 1):
        apart = distance(told["plain", seed], told["ours, bfloat16", seed])
        print(f"  ours from plain, seed {seed}: {apart:.3f}; two seeds: {between:.3f}")


def distance(one: list[float], other: list[float]) -> float:
    return statistics.mean(abs(a - b) for a, b in zip(one, other, strict=True))


def on_gpu(data: ImageSet, steps: int) -> None:
    """Images a second, and operations a second beside those of a matrix product."""
    device = data.labels.device
    wide = {"architecture": "wide_resnet", "depth": 28, "width": 10}
    rate = peak(device, torch.bfloat16)
    for name, more in (("at", {}), ("ijsat", {}), ("at", {"architecture": wide})):
        spec = spec_of(name, 128, **more)
        generators = {
            told["name"]: make(
                "generator", {k: v for k, v in told.items() if k != "name"}
            )
            .to(device)
            .eval()
            .requires_grad_(False)
            for told in generators_in(spec.model_dump()).values()
        }
        one, several = first(data, 128), first(data, 128 * steps)
        with FlopCounterMode(display=False) as counter:
            ours(spec, one, "bfloat16", generators)
        ours(spec, several, "bfloat16", generators)  # what is set up once is not timed
        synchronise(device)
        torch.cuda.reset_peak_memory_stats()
        begin = time.perf_counter()
        ours(spec, several, "bfloat16", generators)
        synchronise(device)
        taken = (time.perf_counter() - begin) / steps
        share = counter.get_total_flops() / taken / rate
        print(
            f"{name} on {spec.architecture['architecture']}: {128 / taken:.0f} images a "
            f"second, {100 * share:.0f} % of {rate / 1e12:.0f} TFLOP/s in bfloat16, "
            f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MiB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipes", nargs="*", default=["at", "trades"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument(
        "--steps", type=int, default=1, help="timed in a repeat, after one that is not"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--curve", type=int, default=0, help="steps of the curves")
    parser.add_argument("--curve-width", type=int, default=16)
    parser.add_argument("--curve-batch", type=int, default=32)
    told = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = [told.data / f"train.{what}.npy" for what in ("images", "labels")]
    data = load_image_set(files[0], files[1], device, 20_000)
    if device.type == "cuda":
        return on_gpu(data, max(told.steps, 20))
    for name in told.recipes:
        if told.repeats:
            network = {"width": told.width}
            times(
                spec_of(name, told.batch, architecture=network),
                data,
                told.steps,
                told.repeats,
            )
        if told.curve:
            network = {"width": told.curve_width}
            spec = spec_of(name, told.curve_batch, epochs=10, architecture=network)
            rate = {"learning_rate": 0.02}  # the paper's 0.1 is for larger batches
            schedule = spec.schedule.model_copy(update=rate)
            curve(spec.model_copy(update={"schedule": schedule}), data, told.curve)


if __name__ == "__main__":
    main()
