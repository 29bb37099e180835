"""The flows that `benchmarks/generators.py` measures, and what they are measured at.

normflows' Glow of the same size as ours; and ours with the networks inside the couplings
in bfloat16, which adds x - decode(encode(x)) back to what it decodes.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate
from types import MethodType
from typing import Any

import normflows
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.profiler import ProfilerActivity, profile

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


class Brief:
    """A frozen Glow that decodes in bfloat16; what that misses of a batch is kept.

    So a zero edit gives the images again, up to float32's rounding.
    """

    exact = True

    def __init__(self, exact: Glow, brief: Glow) -> None:
        self.glow, self.brief = exact, in_bfloat16(brief)
        self.level_slices = exact.level_slices

    def encode(self, images: Tensor) -> Tensor:
        latents: Tensor = self.glow.encode(images)
        self.missed = 0.0
        self.missed = images - self.decode(latents)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        decoded: Tensor = self.brief.decode(latents)
        return decoded + self.missed


def edited(model: Any, images: Tensor) -> Callable[[], None]:
    """A step of an attack in the latents."""
    with torch.no_grad():
        latents = model.encode(images)

    def step() -> None:
        moved = latents.clone().requires_grad_()
        model.decode(moved).square().sum().backward()

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


def seconds(step: Callable[[], object], device: torch.device) -> float:
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    begun = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begun


def best(
    contenders: Mapping[str, Callable[[], object]], rounds: int, device: torch.device
) -> dict[str, float]:
    """Seconds of the best of each one's rounds, after one that doesn't count.

    They take turns. On a CPU its own seconds count, so that other load matters little.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, step in contenders.items():
            times[name].append(seconds(step, device))
    return {name: min(own[1:]) for name, own in times.items()}


def held(step: Callable[[], None], device: torch.device) -> float:
    """MiB that a step's tensors take together at the worst moment, beyond the model's."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    events = [
        e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"
    ]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events)) / 2**20
