"""Projection: how fast beside the obvious loop, and whether a GAN's own images are found.

python -m benchmarks.projection WEIGHTS [--generator stylegan] [--images 24]
    [--iterations 1000]

The command takes weights of the demo's GAN of digits, and tells the PSNR at which images
that it made are found again: those that `decode` shows of random latents, and samples,
each of which has noise of its own. Features that tell images apart are of fresh weights.

The comparison is a part of `benchmarks/generators.py`. Both ways take the same generator and
network, untrained, for the same steps, and are told the same noise; so their latents must
agree. The obvious loop is `torch.optim.Adam` on one image's latents, which looks at both
images anew at each step.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.flows import best
from pipeline_steps.config.load import load_config
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.generators.generator import build_generator, load_generator
from pipeline_steps.generators.stylegan import Stylegan
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.manifolds.distances import psnr
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
    plan = Specs(load_config("demo"))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--generator", default="stylegan")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--iterations", type=int, default=1000)
    told = parser.parse_args()
    spec = Specs(load_config("demo")).manifold("digits", told.generator, "test")
    assert spec.projection and spec.features, "this generator encodes"
    how = spec.projection.model_copy(update={"iterations": told.iterations})
    generator = load_generator(spec.generator, told.weights)
    network = network_of(spec.features).eval().requires_grad_(False)
    search = Search(generator, Perceptual(network), how, rng(0, "mean"))
    for name, images in own_images(generator, told.images).items():
        found = psnr(generator.decode(wide(search, images)), images)
        print(
            f"{name}: {found.min():.1f} dB at the least, {found.mean():.1f} in the mean"
        )


def own_images(generator: Any, count: int) -> dict[str, Tensor]:
    samples = generator.sample(count, rng(0, "own"), temperature=1.0)
    if not isinstance(generator, Stylegan):
        return {"samples": samples}
    styles = generator.styles(rng(0, "own").normal([count, generator.width]))
    shown = generator.decode(styles.repeat(1, generator.rows))
    return {"decoded": shown, "samples": samples}


if __name__ == "__main__":
    main()
