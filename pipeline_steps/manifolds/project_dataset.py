"""Puts a shard of a data set onto a generator's manifold: a latent for every image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline_steps.core.arrays import read_array, write_array
from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import counted
from pipeline_steps.core.rng import BatchRng, rng
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import floats, mixtures
from pipeline_steps.generators.generator import load_generator
from pipeline_steps.manifolds.spec import ManifoldShardSpec, ManifoldSpec

PICTURES = 16


@dataclass(frozen=True)
class Projected:
    """A batch on the manifold, and how far each of its images lies from its original."""

    rows: range
    latents: Tensor
    original: Tensor
    projected: Tensor
    errors: pd.DataFrame


@torch.no_grad()
def project(
    spec: ManifoldSpec, images: np.ndarray, rows: range, generator: Any
) -> Projected:
    """One batch: latents, reconstructions, and the errors of images and mixtures."""
    device = next(generator.parameters()).device
    whole = np.array(images[rows.start : rows.stop])
    original = floats(torch.from_numpy(whole).to(device))
    latents = generator.encode(original)
    projected = generator.decode(latents)
    error = errors(projected, original, rows.start)
    mixture = mixtures(original, draws(spec, "mixtures", rows.start))
    mixed = errors(generator.decode(generator.encode(mixture)), mixture, rows.start)
    table = pd.DataFrame(
        {
            "image": rows,
            "worst": error.amax(dim=1).cpu().numpy(),
            "mean": error.double().mean(dim=1).cpu().numpy(),
            "worst_of_mixture": mixed.amax(dim=1).cpu().numpy(),
        }
    )
    return Projected(rows, latents, original, projected, table)


def draws(spec: ManifoldSpec, *purpose: str | int) -> BatchRng:
    """Numbers of this data set, generator and purpose; a projection has no seed."""
    return rng(0, "manifold", spec.dataset.name, spec.generator["name"], *purpose)


def errors(projected: Tensor, images: Tensor, start: int) -> Tensor:
    """How far each pixel lies from its original, an image a row."""
    error = (projected - images).abs().flatten(1)
    broken = (~error.isfinite().all(1)).nonzero().flatten()
    if len(broken):
        raise PipelineError(
            f"the generator gives no finite reconstruction of image "
            f"{start + int(broken[0])}; train it again with a lower learning_rate"
        )
    return error


def pictures(batch: Projected) -> dict[str, Tensor]:
    """The first images of the data set and their projections, for a figure."""
    count = max(0, PICTURES - batch.rows.start)
    return {
        "original": batch.original[:count],
        "projected": batch.projected[:count].clamp(0, 1),
    }


@torch.no_grad()
def samples(spec: ManifoldShardSpec, generator: Any) -> Tensor:
    """Images of the generator's own, for a figure; the first shard has them."""
    count = PICTURES if spec.shard.number == 1 else 0
    drawn: Tensor = generator.sample(count, draws(spec, "samples"))
    return drawn.clamp(0, 1)


def check_images(images: np.ndarray, spec: ManifoldSpec) -> None:
    shape = (spec.dataset.channels, spec.dataset.size, spec.dataset.size)
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) == 0:
        raise PipelineError(
            f"the test images of {spec.dataset.name} are {images.dtype} of shape "
            f"{list(images.shape)}, not uint8 images of shape {list(shape)}; delete "
            "them and build them again"
        )


def main(job: Job[ManifoldShardSpec]) -> dict[str, Any]:
    spec, device = job.spec, prepare_device()
    images = read_array(job.verified("images", "test_images"))
    check_images(images, spec)
    weights = job.verified("generator", "weights")
    generator = load_generator(spec.generator, weights).to(device)
    batches = spec.shard.batches(len(images), spec.batch)
    latents, tables, shown = [], [], []
    for i, _ in counted("batches", len(batches)):
        batch = project(spec, images, batches[i], generator)
        latents.append(batch.latents.cpu().numpy().astype(np.float32, copy=False))
        tables.append(batch.errors)
        shown.append(pictures(batch))
    write_array(job.output("latents"), np.concatenate(latents))
    pd.concat(tables).to_parquet(job.output("errors"), index=False)
    drawn = {"samples": samples(spec, generator)}
    for name in shown[0]:
        drawn[name] = torch.cat([part[name] for part in shown])
    write_tensors(job.output("pictures"), drawn)
    return {}


if __name__ == "__main__":
    run("manifolds.project_dataset", ManifoldShardSpec, main)
