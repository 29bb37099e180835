"""Attacks beside torchattacks' and foolbox', on one trained ResNet-18: time and verdicts.

python -m benchmarks.threats [--images 256] [--autoattack 64] [--data data/cifar10]

All see the same images, model, batches and device, and every verdict is given by the plain
network in float32, after the clock was stopped. Ours run as in a step of the pipeline, the
others as in a program of their users: the network as PyTorch makes it, the memory as the C
library manages it. On a CPU seconds are the processor's, of all threads, which other work
on the machine disturbs less than the clock's.

torchattacks is no dependency, since it pins an old requests: install it with
`pip install --no-deps torchattacks`. Without --data the network is trained for a minute on
scikit-learn's digits, three channels of 32 pixels each. AutoAttack is run when asked for,
since it takes far longer.
"""

import argparse
import copy
import statistics
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import foolbox
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import peak, seconds, synchronise
from pipeline_steps.core.malloc import keep_freed_memory
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.core.shards import cut
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.datasets.loader import floats, load_image_set
from pipeline_steps.defenses.load import new_model
from pipeline_steps.evaluation.fast_model import FastModel, victim_of
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.frozen import frozen, logits_of
from pipeline_steps.threats.spec import ThreatSpec

Attack = Callable[[Tensor, Tensor, range], Tensor]


@dataclass
class House:
    """What every attack of the benchmark works with."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    epsilon: float
    batch: int

    @cached_property
    def plain(self) -> nn.Module:
        """The network with its weights laid out as PyTorch makes them."""
        plain = copy.deepcopy(self.model)
        return plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]

    def ours(self, precision: str, **spec: Any) -> Attack:
        victim = victim_of(self.model, self.images[:64], precision)
        threat = build_threat(ThreatSpec(**spec), {})

        def attack(images: Tensor, labels: Tensor, rows: range) -> Tensor:
            keep_freed_memory()
            draw = image_rng(0, rows, "attack", device=images.device)
            return threat.against(victim, Batch(images, labels), draw).images

        return attack

    def pgd(self, steps: int, precision: str = "float32", stop: str = "last") -> Attack:
        edit = {"perturbation": "pixel", "epsilon": self.epsilon}
        return self.ours(
            precision,
            edit={**edit, "step_size": self.epsilon / 4},
            objective={"objective": "cross_entropy"},
            steps=steps,
            stop=stop,
        )

    def torchattacks(self, name: str, **settings: Any) -> Attack:
        import torchattacks

        attack = getattr(torchattacks, name)(self.plain, eps=self.epsilon, **settings)
        return lambda images, labels, rows: attack(images, labels)

    def autoattack(self) -> Attack:
        """The peer's parts as AutoAttack was published; its own form takes 10 steps."""
        import torchattacks

        told = {"eps": self.epsilon, "seed": 0}
        targets = {**told, "steps": 100, "n_classes": 10}
        attack = torchattacks.MultiAttack(
            [
                torchattacks.APGD(self.plain, steps=100, **told),
                torchattacks.APGDT(self.plain, **targets),
                torchattacks.FAB(self.plain, multi_targeted=True, **targets),
                torchattacks.Square(self.plain, n_queries=5000, **told),
            ]
        )
        return lambda images, labels, rows: attack(images, labels)

    def foolbox(self, steps: int) -> Attack:
        attack = foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=steps)
        peer = foolbox.PyTorchModel(
            self.plain, bounds=(0, 1), device=self.images.device
        )
        return lambda images, labels, rows: attack(
            peer, images, labels, epsilons=self.epsilon
        )[0]


def trained(told: argparse.Namespace, device: torch.device) -> House:
    """A ResNet-18 after some steps of training on attacked images."""
    if told.data:
        train, test = (
            load_image_set(
                told.data / f"{part}.images.npy",
                told.data / f"{part}.labels.npy",
                device,
            )
            for part in ("train", "test")
        )
        epsilon = 8 / 255
        images, labels = floats(train.images), train.labels
        held = floats(test.images[: told.images]), test.labels[: told.images]
    else:
        loaded, epsilon = load_digits(), 0.1
        small = torch.tensor(loaded.images / 16, dtype=torch.float32, device=device)
        every = functional.interpolate(small[:, None], 32).expand(-1, 3, -1, -1)
        classes = torch.tensor(loaded.target, device=device)
        images, labels = every[:1200], classes[:1200]
        rows = torch.arange(1200, 1200 + told.images).to(device) % len(every)
        held = every[rows], classes[rows]
    model = network(told.width).to(device)
    if told.weights and told.weights.exists():
        model.load_state_dict(read_tensors(told.weights))
    else:
        teach(model, images, labels, epsilon, told.training)
        if told.weights:
            write_tensors(told.weights, model.state_dict())
    model.eval().requires_grad_(False)
    return House(model, held[0].contiguous(), held[1], epsilon, told.batch)


def network(width: int) -> nn.Module:
    entry = {"architecture": "resnet18", "classes": 10, "channels": 3, "width": width}
    return new_model(entry, seed=0)


def teach(
    model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, steps: int
) -> None:
    """Some steps on images that one full step has edited."""
    draw = rng(0, "training")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for _ in range(steps):
        rows = draw.integers(0, len(images), [64]).to(images.device)
        leaf = images[rows].clone().requires_grad_()
        with frozen(model):
            loss = functional.cross_entropy(model(leaf), labels[rows])
            (gradient,) = torch.autograd.grad(loss, leaf)
        edited = (leaf + epsilon * gradient.sign()).clamp(0, 1).detach()
        optimiser.zero_grad()
        functional.cross_entropy(model(edited), labels[rows]).backward()
        optimiser.step()


@dataclass
class Run:
    """How long an attack took, and which images it left right."""

    seconds: float
    right: Tensor
    memory: int


def run(house: House, attack: Attack, images: int) -> Run:
    device = house.images.device
    synchronise(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    keep_freed_memory(False)
    forget_peak()
    taken, right = 0.0, []
    for rows in cut(images, house.batch):
        part = slice(rows.start, rows.stop)
        begin = seconds(device)
        edited = attack(house.images[part], house.labels[part], rows)
        synchronise(device)
        taken += seconds(device) - begin
        edited = edited.detach().float()
        far = (edited - house.images[part]).abs().max()
        assert far <= house.epsilon + 1e-5, f"an edit of {far:g} is out of the budget"
        right.append(logits_of(house.model, edited).argmax(1) == house.labels[part])
    return Run(taken, torch.cat(right), peak_memory(device))


def forget_peak() -> None:
    """From here on the process's peak is counted anew; Linux alone can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    told = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return 1024 * int(told.split()[0])


def compare(
    title: str, house: House, attacks: dict[str, Attack], images: int, repeats: int
) -> None:
    """The first attack is the peer that the others' ratios refer to."""
    print(f"\n{title}, {images} images")
    # Not timed: what libraries set up when they are first used.
    for attack in attacks.values():
        attack(house.images[:2], house.labels[:2], range(2))
    runs: dict[str, list[Run]] = {name: [] for name in attacks}
    for number in range(repeats):
        order = list(attacks) if number % 2 == 0 else list(reversed(attacks))
        for name in order:
            runs[name].append(run(house, attacks[name], images))
    median = {n: statistics.median(r.seconds for r in rs) for n, rs in runs.items()}
    first = next(iter(attacks))
    for name, found in runs.items():
        right, peer = found[0].right, runs[first][0].right
        memory = max(run.memory for run in found) / 2**20
        print(
            f"  {name:28} {median[name]:8.2f} s, ratio {median[first] / median[name]:5.2f}"
            f", accuracy {100 * float(right.float().mean()):6.2f}"
            f", same verdicts {100 * float((right == peer).float().mean()):6.2f} %"
            f", {memory:.0f} MiB"
        )


def passes(model: nn.Module, images: Tensor, labels: Tensor, steps: int) -> float:
    """Seconds for so many gradients and nothing else."""
    synchronise(images.device)
    begin = seconds(images.device)
    for _ in range(steps):
        leaf = images.detach().requires_grad_()
        gain = functional.cross_entropy(model(leaf), labels, reduction="sum")
        torch.autograd.grad(gain, leaf)
    synchronise(images.device)
    return seconds(images.device) - begin


def where_the_time_goes(house: House, steps: int) -> Iterator[str]:
    """The loop's own part of PGD, and how near its passes come to the machine's peak."""
    count = min(house.batch, len(house.images))
    images, labels = house.images[:count], house.labels[:count]
    for precision in ("float32", "bfloat16"):
        fast = FastModel(house.model, images, precision)
        with frozen(fast):
            passes(fast, images, labels, 2)
            alone = min(passes(fast, images, labels, steps) for _ in range(3))
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                fast(images)
        attack = house.pgd(steps, precision)
        attack(images, labels, range(count))
        whole = []
        for _ in range(3):
            synchronise(images.device)
            begin = seconds(images.device)
            attack(images, labels, range(count))
            synchronise(images.device)
            whole.append(seconds(images.device) - begin)
        # With frozen weights the way back costs what the way there does.
        speed = 2 * steps * counter.get_total_flops() / alone
        share = speed / peak(images.device, getattr(torch, precision))
        yield (
            f"  {precision}: the loop's own cost is {100 * (1 - alone / min(whole)):.1f} % "
            f"of PGD-{steps}; its passes reach {100 * share:.0f} % of the "
            f"{speed / share / 1e9:.0f} billion operations a second of the machine's best"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--pgd", type=int, nargs="*", default=[20, 50], help="steps")
    parser.add_argument("--autoattack", type=int, default=0, help="images")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=64, help="of the ResNet-18")
    parser.add_argument("--training", type=int, default=40, help="steps of 64 images")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--data", type=Path, help="a data set in its canonical form")
    parser.add_argument("--weights", type=Path, help="kept there for another run")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    house = trained(told, device)
    print(f"ResNet-18, width {told.width}, on {device}, {told.threads} threads")
    for steps in told.pgd:
        alpha = {"alpha": house.epsilon / 4, "steps": steps}
        attacks = {
            "torchattacks": house.torchattacks("PGD", **alpha),
            "foolbox": house.foolbox(steps),
            "ours, last": house.pgd(steps),
            "ours, last, bfloat16": house.pgd(steps, "bfloat16"),
            "ours, any": house.pgd(steps, stop="any"),
            "ours, any, bfloat16": house.pgd(steps, "bfloat16", "any"),
        }
        compare(f"PGD-{steps}", house, attacks, told.images, told.repeats)
    if told.autoattack:
        spec = {"attack": "autoattack", "epsilon": house.epsilon}
        attacks = {
            "torchattacks": house.autoattack(),
            "ours": house.ours("float32", **spec),
            "ours, bfloat16": house.ours("bfloat16", **spec),
        }
        compare("AutoAttack", house, attacks, told.autoattack, 1)
    print("\nWhere the time goes")
    for line in where_the_time_goes(house, 10):
        print(line)


if __name__ == "__main__":
    main()
