"""Glow beside normflows' Glow of the same size: images a second, and memory.

python -m benchmarks.glow [--width 512] [--steps 8] [--size 32] [--batch 32] [--rounds 5]

What an attack does (decode latents, and the gradient of the latents; weights frozen) and
what training does (the likelihood, and the gradient of the weights). The contenders take
turns, and each one's best round counts: on a CPU by the CPU's own seconds, so that other
load matters little, on a GPU by the clock. `bfloat16` runs the networks inside the
couplings in that precision, and adds x - decode(encode(x)) back to what is decoded.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

import normflows
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from pipeline_steps.core.rng import rng
from pipeline_steps.generators.flow_layers import (
    LOG_SCALE_SPEED,
    AffineCoupling,
    bounded,
)
from pipeline_steps.generators.glow import Glow, halvings


def shaken(model: Any, amount: float = 0.02) -> Any:
    """A model away from its start, where couplings are the identity."""
    stream = rng(0, "shaken")
    with torch.no_grad():
        for parameter in model.parameters():
            drawn = stream.normal(parameter.shape) / parameter[0].numel() ** 0.5
            parameter += amount * drawn.to(parameter)
    return model


def peer(size: int, steps: int, width: int) -> Any:
    """normflows' Glow: its lists begin with the deepest level."""
    block = partial(normflows.flows.GlowBlock, hidden_channels=width, scale_map="exp")
    images = torch.rand(64, 3, size, size)
    flows, merges, bases, channels = [], [], [], 3
    for level in range(halvings(size)):
        channels, size = 4 * channels, size // 2
        own = [block(channels) for _ in range(steps)]
        flows.insert(0, [*own, normflows.flows.Squeeze()])
        if level < halvings(images.shape[-1]) - 1:
            merges.insert(0, normflows.flows.Merge())
            channels //= 2
        bases.insert(0, normflows.distributions.DiagGaussian((channels, size, size)))
    flow = normflows.MultiscaleFlow(bases, flows, merges)
    flow.log_prob(images, None)  # which fits actnorm
    return flow


def told_in_bfloat16(coupling: AffineCoupling, kept: Tensor) -> tuple[Tensor, Tensor]:
    """What a frozen coupling tells, by weights that were folded and rounded once."""
    hidden = kept.bfloat16(memory_format=torch.channels_last)
    for weight, bias in coupling.rounded[:-1]:
        hidden = conv2d(hidden, weight, bias, padding=weight.shape[-1] // 2).relu_()
    weight, bias = coupling.rounded[-1]
    raw, shift = conv2d(hidden, weight, bias, padding=1).float().chunk(2, 1)
    return bounded(raw), shift


def rounded(weight: Tensor, bias: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution with the scale of its outputs folded in."""
    scale = log_scale.exp()
    folded = (weight * scale[:, None]).bfloat16()
    last = folded.contiguous(memory_format=torch.channels_last)
    return last, (bias.flatten() * scale.flatten()).bfloat16()


def in_bfloat16(model: Glow) -> Glow:
    for coupling in (m for m in model.modules() if isinstance(m, AffineCoupling)):
        pairs = (
            (coupling.first, coupling.first_norm),
            (coupling.second, coupling.second_norm),
        )
        last = coupling.last
        coupling.rounded = [
            *(rounded(c.weight, norm.bias, norm.log_scale) for c, norm in pairs),
            rounded(
                last.convolution.weight,
                last.convolution.bias,
                LOG_SCALE_SPEED * last.raw_log_scale,
            ),
        ]
        coupling._told = MethodType(told_in_bfloat16, coupling)
    return model


def edited(model: Glow, images: Tensor) -> Callable[[], None]:
    """A step of an attack in the latents, its residual added back."""
    latents = model.encode(images)
    residual = images - model.decode(latents)

    def step() -> None:
        moved = latents.clone().requires_grad_()
        (model.decode(moved) + residual).square().sum().backward()

    return step


def edited_by_peer(flow: Any, images: Tensor) -> Callable[[], None]:
    with torch.no_grad():
        latents, _ = flow.inverse_and_log_det(images)

    def step() -> None:
        moved = [z.clone().requires_grad_() for z in latents]
        flow.forward_and_log_det(moved)[0].square().sum().backward()

    return step


def learned(model: nn.Module, density: Callable[[Tensor], Tensor], x: Tensor) -> None:
    model.zero_grad(set_to_none=True)
    (-density(x).mean()).backward()


def seconds(step: Callable[[], None], device: torch.device) -> float:
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    begun = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begun


def best(
    contenders: dict[str, Callable[[], None]], rounds: int, device: torch.device
) -> dict[str, float]:
    """The best of each one's rounds, after one that doesn't count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, step in contenders.items():
            times[name].append(seconds(step, device))
    return {name: min(own[1:]) for name, own in times.items()}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, usual in (
        ("width", 512), ("steps", 8), ("size", 32), ("batch", 32), ("rounds", 5)
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=usual)
    told = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    form = (told.size, 3, told.steps, told.width)
    images = rng(0, "images").uniform([told.batch, 3, told.size, told.size]).to(device)

    def ours() -> Glow:
        model = Glow(*form)
        model.initialise(rng(1, "images").uniform([64, 3, told.size, told.size]))
        return shaken(model).to(device)

    theirs = shaken(peer(told.size, told.steps, told.width)).to(device)
    learning, frozen = ours(), ours().eval().requires_grad_(False)
    brief = in_bfloat16(ours().eval().requires_grad_(False))
    with torch.enable_grad():
        training = best(
            {
                "normflows": partial(
                    learned, theirs, partial(theirs.log_prob, y=None), images
                ),
                "ours": partial(learned, learning, learning.log_likelihood, images),
            },
            told.rounds,
            device,
        )
        theirs.eval().requires_grad_(False)
        attacks = {
            "normflows": edited_by_peer(theirs, images),
            "ours": edited(frozen, images),
            "ours, bfloat16": edited(brief, images),
        }
        attacking = best(attacks, told.rounds, device)
    for title, times in (("decode and backward", attacking), ("training", training)):
        print(f"{title}: {told.steps} steps a level, width {told.width}")
        for name, time_taken in times.items():
            ratio = times["normflows"] / time_taken
            rate = told.batch / time_taken
            print(f"  {name:15s} {rate:7.1f} images a second, {ratio:4.2f} times")
    latents = brief.encode(images)
    gap = brief.decode(latents) - images
    moved = 0.02 * rng(2, "moved").uniform(latents.shape).sub(0.5).sign().to(device)
    exact = frozen.decode(frozen.encode(images) + moved)
    near = brief.decode(latents + moved) - gap
    print(f"bfloat16 changes a pixel by {gap.abs().max():.2g} when it decodes what it")
    print(f"encoded; with that added back, an edit of 0.02 lies within "
          f"{(near - exact).abs().max():.2g} of float32's")  # fmt: skip


if __name__ == "__main__":
    main()
