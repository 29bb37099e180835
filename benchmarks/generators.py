"""What generators cost: a flow beside normflows', JSA beside PGD, projection beside a loop.

python -m benchmarks.generators [--width 512] [--steps 8] [--size 32] [--batch 32]
    [--classifier 64] [--rounds 5] [--iterations 10] [--only flow|jsa|projection]
python -m benchmarks.generators --glow GLOW.json --weights RESNET18.safetensors
    --classifier 64 --data data/cifar10 [--images 1000]

Flows take turns; times are the CPU's own seconds, or a GPU's by the clock. With `--glow`,
the card of a trained one beside its weights, and a trained ResNet-18 the benchmark tells
instead whether JSA-10 gives the same verdicts where couplings work in bfloat16.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import projection
from benchmarks.flows import (
    Brief,
    best,
    edited,
    edited_by_peer,
    held,
    learned,
    peer,
    shaken,
)
from pipeline_steps.config.load import load_config
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.core.shards import cut
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.datasets.loader import floats, load_image_set
from pipeline_steps.defenses.load import new_model
from pipeline_steps.generators.generator import load_generator
from pipeline_steps.generators.glow import Glow
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import Threat, build_threat

Told = argparse.Namespace


def fresh(told: Told, device: torch.device) -> Glow:
    model = Glow(told.size, 3, told.steps, told.width)
    model.initialise(rng(1, "images").uniform([64, 3, told.size, told.size]))
    return shaken(model).to(device)


def frozen(told: Told, device: torch.device) -> Any:
    return fresh(told, device).eval().requires_grad_(False)


def flow(told: Told, images: Tensor) -> None:
    """Decoding and learning beside normflows', and how far bfloat16 goes astray."""
    device = images.device
    theirs = shaken(peer(told.size, told.steps, told.width)).to(device)
    learning, exact = fresh(told, device), frozen(told, device)
    brief = Brief(exact, frozen(told, device))
    density = partial(theirs.log_prob, y=None)
    training = {
        "normflows": partial(learned, theirs, density, images),
        "ours": partial(learned, learning, learning.log_likelihood, images),
    }
    report("likelihood and its gradient", training, told, device)
    theirs.eval().requires_grad_(False)
    attacking = {
        "normflows": edited_by_peer(theirs, images),
        "ours": edited(exact, images),
        "ours, bfloat16": edited(brief, images),
    }
    report("decode and its gradient", attacking, told, device)
    with torch.no_grad():
        latents = brief.encode(images)
        drawn = rng(2, "moved").uniform(latents.shape).sub(0.5).sign().to(device)
        moved = latents + 0.02 * drawn
        apart = (brief.decode(moved) - exact.decode(moved)).abs().max()
        print(
            f"bfloat16 misses a pixel by up to {brief.missed.abs().max():.2g}; with that "
            f"added back, edits of 0.02 lie within {apart:.2g} of float32's"
        )


def report(title: str, steps: dict[str, Any], told: Told, device: torch.device) -> None:
    memory = {name: held(step, device) for name, step in steps.items()}
    times = best(steps, told.rounds, device)
    print(
        f"{title}: {told.steps} steps a level, width {told.width}, {told.size} pixels"
    )
    for name, seconds in times.items():
        print(
            f"  {name:15} {told.batch / seconds:7.1f} images a second, "
            f"{times['normflows'] / seconds:4.2f} times; {memory[name]:6.0f} MiB"
        )


def threat(name: str, generator: Any = None) -> Threat:
    """A threat of IJSAT's on CIFAR-10, as `threats.yaml` has it."""
    spec = Specs(load_config("paper")).attack("cifar10", "at", name).threat
    return build_threat(spec, {"glow": generator})


def resnet(width: int) -> nn.Module:
    entry = {"architecture": "resnet18", "classes": 10, "channels": 3, "width": width}
    return new_model(entry, seed=0).eval().requires_grad_(False)


def jsa(told: Told, images: Tensor) -> None:
    """JSA-10 in multiples of PGD-10, and which part of it is the flow's."""
    device, model = images.device, resnet(told.classifier).to(images.device)
    exact = frozen(told, device)
    labels = torch.zeros(len(images), dtype=torch.int64, device=device)
    decode = edited(exact, images)

    def attack(name: str) -> None:
        draw = image_rng(0, range(len(images)), "attack", device=device)
        threat(name, exact)(model, Batch(images, labels), draw)

    def flow_alone() -> None:
        with torch.no_grad():
            exact.encode(images)
        for _ in range(10):
            decode()

    ways = {name: partial(attack, name) for name in ("pgd10", "jsa10")}
    times = best(ways | {"flow": flow_alone}, min(told.rounds, 2), device)
    print(
        f"JSA-10 takes {times['jsa10'] / times['pgd10']:.2f} times PGD-10's "
        f"{times['pgd10']:.1f} s, on a ResNet-18 of width {told.classifier}; to encode once "
        f"and decode ten times there and back is {times['flow'] / times['jsa10']:.0%} of it"
    )


def verdicts(told: Told, device: torch.device) -> None:
    """Whether a trained flow's bfloat16 changes what JSA-10 comes to."""
    entry = json.loads(told.glow.read_text())["spec"]["model"]
    weights = told.glow.with_suffix(".safetensors")
    exact, other = (load_generator(entry, weights).to(device) for _ in range(2))
    model = resnet(told.classifier)
    model.load_state_dict(read_tensors(told.weights))
    paths = (told.data / f"test.{part}.npy" for part in ("images", "labels"))
    data = load_image_set(*paths, device)
    images, labels = floats(data.images[: told.images]), data.labels[: told.images]
    flows = {"float32": exact, "bfloat16": Brief(exact, other)}
    right: dict[str, list[Tensor]] = {name: [] for name in flows}
    error, apart = 0.0, 0.0
    for rows in cut(len(images), told.batch):
        part = slice(rows.start, rows.stop)
        made = {}
        for name, generator in flows.items():
            batch = Batch(images[part], labels[part])
            draw = image_rng(0, rows, "attack", device=device)
            made[name] = threat("jsa10", generator)(model, batch, draw)
            right[name].append(model(made[name]).argmax(1) == labels[part])
        brief = flows["bfloat16"]
        error = max(error, float(brief.missed.abs().max()))
        apart = max(apart, float((made["float32"] - made["bfloat16"]).abs().max()))
    ours, theirs = (torch.cat(right[name]).float() for name in flows)
    print(
        f"JSA-10 on {len(images)} images: accuracy {100 * ours.mean():.2f} in float32, "
        f"{100 * theirs.mean():.2f} with bfloat16 in couplings; the same verdict on "
        f"{100 * (ours == theirs).float().mean():.2f} %; bfloat16 misses a pixel by up to "
        f"{error:.2g} before that is added back; edited images differ by up to {apart:.2g}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, usual in (
        ("width", 512), ("steps", 8), ("size", 32), ("batch", 32), ("classifier", 64),
        ("rounds", 5), ("iterations", 10), ("images", 1000),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=usual)
    for name in ("glow", "weights", "data"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--only", choices=("flow", "jsa", "projection"))
    told = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if told.glow:
        verdicts(told, device)
        return
    images = rng(0, "images").uniform([told.batch, 3, told.size, told.size]).to(device)
    for name, part in (("flow", flow), ("jsa", jsa)):
        if told.only in (None, name):
            part(told, images)
    if told.only in (None, "projection"):
        for generator in ("sngan", "stylegan"):
            print(projection.compared(generator, told.iterations, 180, 8, told.rounds))


if __name__ == "__main__":
    main()
