"""Finds a latent on a generator's manifold for every image of a job.

An exact generator encodes; for any other, latents are optimised (`projection.py`).
Finished batches stay on disk until the job ends, so a killed job resumes in the middle
of the next one.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.core.arrays import join_arrays, join_named, read_array, write_array
from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.rng import BatchRng, ImageRng, image_rng, rng
from pipeline_steps.core.shards import WHOLE
from pipeline_steps.core.step import Job
from pipeline_steps.core.tables import read_table, stacked, write_table
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import floats
from pipeline_steps.generators.generator import load_generator
from pipeline_steps.manifolds.distances import distances
from pipeline_steps.manifolds.gather_manifold import write_manifold
from pipeline_steps.manifolds.perceptual import perceptual_of
from pipeline_steps.manifolds.projection import Encoding, Search
from pipeline_steps.manifolds.spec import ManifoldSpec

PICTURES = 16
# The first images, for a figure of interpolations between them.
PAIRS, STATIONS = 4, 8
BATCHES_ENDS = "ends of batches"
# What is kept of a batch.
FILES = {
    "latents": "latents.npy",
    "images": "images.npy",
    "errors": "errors.parquet",
    "pictures": "pictures.safetensors",
}


def projected_batches(
    spec: ManifoldSpec, images: np.ndarray, search: Encoding | Search, scratch: Path
) -> list[Path]:
    """A folder of files for each finished batch."""
    device = next(search.generator.parameters()).device
    count = min(len(images), spec.images or len(images))
    batches = (spec.shard or WHOLE).batches(count, spec.batch)
    folders = [scratch / f"batch-{number:05}" for number in range(len(batches))]

    @lru_cache(maxsize=1)
    def originals(number: int) -> Tensor:
        rows = batches[number]
        whole = np.array(images[rows.start : rows.stop])
        return floats(torch.from_numpy(whole).to(device))

    total = len(batches) * search.steps
    for done, meter in Resume(scratch).steps({"search": search}, total, "projection"):
        number, step = divmod(done, search.steps)
        search.aim_at(originals(number))
        search.step(step, noise_of(spec, batches[number], step, device))
        if step + 1 < search.steps:
            continue
        with meter.watch.apart(BATCHES_ENDS):
            keep(spec, search, batches[number], folders[number])
    return folders


def draws(spec: ManifoldSpec, *purpose: str | int) -> BatchRng:
    """Random numbers for this manifold and purpose; a projection has no seed."""
    return rng(0, *_named(spec), *purpose)


def noise_of(
    spec: ManifoldSpec, rows: range, step: int, device: torch.device
) -> ImageRng:
    """Noise that belongs to each image, so that shards may be cut anywhere."""
    return image_rng(0, rows, *_named(spec), "noise", step, device=device)


def _named(spec: ManifoldSpec) -> tuple[str, ...]:
    return "manifold", spec.dataset.name, spec.split, spec.generator["name"]


@torch.no_grad()
def keep(
    spec: ManifoldSpec, search: Encoding | Search, rows: range, folder: Path
) -> None:
    """Writes everything that is kept of a finished batch."""
    projected, raw = search.generator.decode(search.latents), search.generator.raw
    # A flow's reconstruction is measured unrounded, because it claims to be exact.
    if not raw and not search.generator.exact:
        projected = projected.clamp(0, 1)
    draw = draws(spec, "mixtures", rows.start)
    measured = distances(search, projected, rows.start, draw)
    folder.mkdir(parents=True, exist_ok=True)
    latents = search.latents.cpu().numpy().astype(np.float32, copy=False)
    write_array(folder / FILES["latents"], latents)
    stored = projected.float() if raw else projected.clamp(0, 1).mul(255).round().byte()
    write_array(folder / FILES["images"], stored.cpu().numpy())
    numbers = np.arange(rows.start, rows.stop)
    write_table(folder / FILES["errors"], {"image": numbers, **measured})
    shown = pictures(spec, search, projected.clamp(0, 1), rows)
    write_tensors(folder / FILES["pictures"], shown)


def pictures(
    spec: ManifoldSpec, search: Encoding | Search, projected: Tensor, rows: range
) -> dict[str, Tensor]:
    """For figures: the first images, samples, and interpolations between pairs of the
    first."""
    count, first = max(0, PICTURES - rows.start), 0 in rows
    samples = search.generator.sample(PICTURES if first else 0, draws(spec, "samples"))
    ends = search.latents[: 2 * PAIRS if first else 0]
    shares = torch.linspace(0, 1, STATIONS).to(ends)[:, None]
    between = [
        search.generator.decode(torch.lerp(one, other, shares)).clamp(0, 1)
        for one, other in zip(ends[::2], ends[1::2], strict=False)
    ]
    none = projected.new_zeros(0, STATIONS, *projected.shape[1:])
    return {
        "original": search.images[:count],
        "projected": projected[:count],
        "samples": samples.clamp(0, 1),
        "between": torch.stack(between) if between else none,
    }


def check_images(images: np.ndarray, spec: ManifoldSpec) -> None:
    shape = (spec.dataset.channels, spec.dataset.size, spec.dataset.size)
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) == 0:
        raise PipelineError(
            f"the {spec.split} images of {spec.dataset.name} are {images.dtype} of shape "
            f"{list(images.shape)}, not uint8 images of shape {list(shape)}; delete "
            "them and build them again"
        )


def search_of(job: Job[ManifoldSpec], device: torch.device) -> Encoding | Search:
    """How the generator's latents are found: by encoding or by optimisation."""
    spec = job.spec
    weights = job.verified("generator", "weights")
    generator = load_generator(spec.generator, weights).to(device)
    if generator.exact:
        return Encoding(generator)
    perceptual = perceptual_of(job, device)
    if spec.projection is None or perceptual is None:
        raise PipelineError(
            f"{spec.generator['name']} can't encode, so its latents must be searched "
            "for; say how under `projection` in workflow/config/generators.yaml"
        )
    return Search(generator, perceptual, spec.projection, draws(spec, "mean"))


def project(job: Job[ManifoldSpec]) -> dict[str, Any]:
    spec, device = job.spec, prepare_device()
    images = read_array(job.verified("images", f"{spec.split}_images"))
    check_images(images, spec)
    folders = projected_batches(spec, images, search_of(job, device), job.scratch)
    files = {role: [f / name for f in folders] for role, name in FILES.items()}
    if spec.shard is None:
        return write_manifold(job, files)
    join_arrays(files["latents"], job.output("latents"))
    join_arrays(files["images"], job.output("images"))
    errors = stacked([read_table(file) for file in files["errors"]])
    write_table(job.output("errors"), errors)
    join_named(files["pictures"], job.output("pictures"))
    return {}
