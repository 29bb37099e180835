"""Puts a data set onto a generator's manifold: a latent for every image."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import Meter
from pipeline_steps.core.rng import BatchRng, rng
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import read_array, write_array, write_tensors
from pipeline_steps.datasets.loader import floats, mixtures
from pipeline_steps.generators.generator import load_generator
from pipeline_steps.manifolds.spec import ManifoldSpec

PICTURES = 16


@torch.no_grad()
def project_dataset(
    spec: ManifoldSpec, images: np.ndarray, generator: Any, device: torch.device
) -> tuple[np.ndarray, dict[str, Any]]:
    """The latents of all images, and how far their reconstructions lie from them."""
    latents, worst, means, mixed = [], [0.0], [0.0], [0.0]
    meter = Meter("projection", len(images))
    for start, clean in batches(images, spec.batch, device):
        z = generator.encode(clean)
        error = errors(generator.decode(z), clean, start)
        worst.append(float(error.amax()))
        means.append(float(error.double().mean()) * len(clean))
        mixture = mixtures(clean, draws(spec, "mixtures", start))
        reconstructed = generator.decode(generator.encode(mixture))
        mixed.append(float(errors(reconstructed, mixture, start).amax()))
        latents.append(z.cpu().numpy().astype(np.float32, copy=False))
        meter.at(start + len(clean))
    meter.close()
    return np.concatenate(latents), {
        "images": len(images),
        "worst_error": max(worst),
        "mean_error": sum(means) / len(images),
        "worst_error_of_mixtures": max(mixed),
    }


def draws(spec: ManifoldSpec, *purpose: str | int) -> BatchRng:
    """Numbers of this data set, generator and purpose; a projection has no seed."""
    return rng(0, "manifold", spec.dataset.name, spec.generator["name"], *purpose)


def batches(
    images: np.ndarray, batch: int, device: torch.device
) -> Iterator[tuple[int, Tensor]]:
    """Where each batch starts, and its images in [0, 1]."""
    for start in range(0, len(images), batch):
        whole = np.array(images[start : start + batch])
        yield start, floats(torch.from_numpy(whole).to(device))


def errors(projected: Tensor, images: Tensor, start: int) -> Tensor:
    """How far each pixel lies from its original."""
    error = (projected - images).abs()
    broken = (~error.isfinite().flatten(1).all(1)).nonzero().flatten()
    if len(broken):
        raise PipelineError(
            f"the generator gives no finite reconstruction of image "
            f"{start + int(broken[0])}; train it again with a lower learning_rate"
        )
    return error


@torch.no_grad()
def pictures(
    spec: ManifoldSpec, images: np.ndarray, generator: Any, device: torch.device
) -> dict[str, Tensor]:
    """The first images, their projections, and as many samples, for a figure."""
    _, original = next(batches(images, min(PICTURES, len(images)), device))
    stream = draws(spec, "samples")
    return {
        "original": original,
        "projected": generator.decode(generator.encode(original)).clamp(0, 1),
        "samples": generator.sample(PICTURES, stream).clamp(0, 1),
    }


def check_images(images: np.ndarray, spec: ManifoldSpec) -> None:
    shape = (spec.dataset.channels, spec.dataset.size, spec.dataset.size)
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) == 0:
        raise PipelineError(
            f"the test images of {spec.dataset.name} are {images.dtype} of shape "
            f"{list(images.shape)}, not uint8 images of shape {list(shape)}; delete "
            "them and build them again"
        )


def main(job: Job[ManifoldSpec]) -> dict[str, Any]:
    device = prepare_device()
    images = read_array(job.verified("images", "test_images"))
    check_images(images, job.spec)
    weights = job.verified("generator", "weights")
    generator = load_generator(job.spec.generator, weights).to(device)
    latents, metrics = project_dataset(job.spec, images, generator, device)
    write_array(job.output("latents"), latents)
    write_tensors(job.output("pictures"), pictures(job.spec, images, generator, device))
    return metrics


if __name__ == "__main__":
    run("manifolds.project_dataset", ManifoldSpec, main)
