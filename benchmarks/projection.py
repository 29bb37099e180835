"""A projection in wide batches, and the obvious loop over images that it is set beside.

Both take the same generator and network, untrained, for the same number of steps, and are
told the same noise; so their latents must agree. The obvious loop is `torch.optim.Adam` on
one image's latents, which looks at both images anew at each step.
"""

from functools import partial

import torch
from torch import Tensor

from benchmarks.flows import best
from pipeline_steps.config.load import load_config
from pipeline_steps.config.resolve import Plan
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.generators.generator import build_generator
from pipeline_steps.manifolds.perceptual import Perceptual, network_of
from pipeline_steps.manifolds.projection import Search, learning_rate, noise


def wide(search: Search, images: Tensor) -> Tensor:
    search.aim_at(images)
    for step in range(search.steps):
        search.step(step, image_rng(0, range(len(images)), "noise", step))
    return search.latents


def obvious(search: Search, images: Tensor) -> Tensor:
    found = []
    for i, image in enumerate(images.split(1)):
        latents = search.mean[None].clone().requires_grad_()
        optimiser = torch.optim.Adam([latents])
        for step in range(search.steps):
            done = step / search.steps
            amount = noise(search.how, done) * search.spread
            drawn = image_rng(0, [i], "noise", step).normal(list(latents.shape))
            shown = search.generator.decode(latents + amount * drawn)
            apart = search.perceptual(shown, image)
            pixels = (shown - image).abs().mean()
            optimiser.param_groups[0]["lr"] = learning_rate(search.how, done)
            optimiser.zero_grad()
            (apart + search.how.pixel_weight * pixels).sum().backward()
            optimiser.step()
        found.append(latents.detach())
    return torch.cat(found)


def compared(
    generator: str, iterations: int, images: int, alone: int, rounds: int
) -> str:
    """Images a second of both ways, on the demo's digits."""
    plan = Plan(load_config("demo"))
    spec = plan.manifold("digits", generator, "test")
    assert spec.projection and spec.features, "this generator encodes"
    how = spec.projection.model_copy(update={"iterations": iterations})
    built = build_generator(spec.generator).eval().requires_grad_(False)
    network = network_of(spec.features).eval().requires_grad_(False)
    search = Search(built, Perceptual(network), how, rng(0, "mean"))
    shape = (images, spec.dataset.channels, spec.dataset.size, spec.dataset.size)
    shown = rng(0, "images").uniform(shape)
    few = shown[:alone]
    apart = (wide(search, shown)[:alone] - obvious(search, few)).abs().max().item()
    ways = {"wide": partial(wide, search, shown), "loop": partial(obvious, search, few)}
    times = best(ways, rounds, torch.device("cpu"))
    ours, theirs = images / times["wide"], alone / times["loop"]
    return (
        f"{generator}: {ours:.1f} images a second {images} at once, {theirs:.2f} one at a "
        f"time, {ours / theirs:.1f} times; latents apart by {apart:.1e}"
    )
