"""Images a CPU second of a projection in wide batches, beside the obvious loop over images.

    python -m benchmarks.projection [--scale demo] [--dataset digits] [--generator sngan]

Both take the same generator and network, untrained, for the same number of steps, and are
told the same noise; so their latents must agree, and do before any time is printed. The
obvious loop is `torch.optim.Adam` on one image's latents, which looks at both images anew
at each step.
"""

import argparse
import time

import torch
from torch import Tensor

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


def timed(way, search: Search, images: Tensor) -> tuple[Tensor, float]:
    start = time.process_time()
    latents = way(search, images)
    return latents, len(images) / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--generator", default="sngan")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--images", type=int, default=180, help="at once")
    parser.add_argument("--alone", type=int, default=8, help="in the obvious loop")
    told = parser.parse_args()
    plan = Plan(load_config(told.scale))
    spec = plan.manifold(told.dataset, told.generator, "test")
    assert spec.projection and spec.features, "this generator encodes"
    how = spec.projection.model_copy(update={"iterations": told.iterations})
    generator = build_generator(spec.generator).eval().requires_grad_(False)
    network = network_of(spec.features).eval().requires_grad_(False)
    search = Search(generator, Perceptual(network), how, rng(0, "mean"))
    shape = (told.images, spec.dataset.channels, spec.dataset.size, spec.dataset.size)
    images = rng(0, "images").uniform(shape)
    together, ours = timed(wide, search, images)
    alone, theirs = timed(obvious, search, images[: told.alone])
    apart = (together[: told.alone] - alone).abs().max().item()
    print(f"{told.iterations} steps; latents apart by {apart:.1e}")
    print(f"one at a time: {theirs:8.2f} images a CPU second")
    print(
        f"{told.images:4} at once:   {ours:8.2f} images a CPU second, {ours / theirs:.1f} x"
    )


if __name__ == "__main__":
    main()
