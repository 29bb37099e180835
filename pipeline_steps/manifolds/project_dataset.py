"""Puts a shard of a data set onto a generator's manifold: a latent for every image.

An exact generator encodes; for any other, latents are sought (`projection.py`). A batch
that is done lies on the disk until the shard is, so a killed job goes on in the middle of
the next one.
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
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tables import read_table, stacked, write_table
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import floats
from pipeline_steps.generators.generator import ApproximateGenerator, load_generator
from pipeline_steps.manifolds.distances import distances
from pipeline_steps.manifolds.perceptual import perceptual_of
from pipeline_steps.manifolds.projection import Encoding, Search
from pipeline_steps.manifolds.spec import ManifoldShardSpec, ManifoldSpec

PICTURES = 16
# Of the first images, for a figure of what lies between them.
PAIRS, STATIONS = 4, 8
BATCHES_ENDS = "ends of batches"


def project(
    spec: ManifoldShardSpec,
    images: np.ndarray,
    search: Encoding | Search,
    scratch: Path,
) -> list[Path]:
    """A folder of files for each batch of the shard, as they are done."""
    device = next(search.generator.parameters()).device
    count = min(len(images), spec.images or len(images))
    batches = spec.shard.batches(count, spec.batch)
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
        search.step(step, noise_of(spec, batches[number], step))
        if step + 1 < search.steps:
            continue
        with meter.watch.apart(BATCHES_ENDS):
            keep(spec, search, batches[number], folders[number])
    return folders


def draws(spec: ManifoldSpec, *purpose: str | int) -> BatchRng:
    """Numbers of this manifold and purpose; a projection has no seed."""
    return rng(0, *_named(spec), *purpose)


def noise_of(spec: ManifoldSpec, rows: range, step: int) -> ImageRng:
    """Each image's own, so that shards may be cut anywhere."""
    return image_rng(0, rows, *_named(spec), "noise", step)


def _named(spec: ManifoldSpec) -> tuple[str, ...]:
    return "manifold", spec.dataset.name, spec.split, spec.generator["name"]


@torch.no_grad()
def keep(
    spec: ManifoldSpec, search: Encoding | Search, rows: range, folder: Path
) -> None:
    """All that is to be known of a batch that is done."""
    projected = search.generator.decode(search.latents)
    # What a flow gives back is measured as it is, for it claims to be exact.
    if not search.generator.exact:
        projected = projected.clamp(0, 1)
    draw = draws(spec, "mixtures", rows.start)
    measured = distances(search, projected, rows.start, draw)
    projected = projected.clamp(0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    latents = search.latents.cpu().numpy().astype(np.float32, copy=False)
    write_array(folder / "latents.npy", latents)
    pixels = (255 * projected).round().to(torch.uint8)
    write_array(folder / "images.npy", pixels.cpu().numpy())
    numbers = np.arange(rows.start, rows.stop)
    write_table(folder / "errors.parquet", {"image": numbers, **measured})
    shown = pictures(spec, search, projected, rows)
    write_tensors(folder / "pictures.safetensors", shown)


def pictures(
    spec: ManifoldSpec, search: Encoding | Search, projected: Tensor, rows: range
) -> dict[str, Tensor]:
    """For figures: the first images, samples, and what lies between pairs of the first."""
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


def search_of(job: Job[ManifoldShardSpec], device: torch.device) -> Encoding | Search:
    """The way from images to latents that the generator asks for."""
    spec = job.spec
    weights = job.verified("generator", "weights")
    generator = load_generator(spec.generator, weights).to(device)
    if not isinstance(generator, ApproximateGenerator):
        return Encoding(generator)
    perceptual = perceptual_of(job, device)
    if spec.projection is None or perceptual is None:
        raise PipelineError(
            f"{spec.generator['name']} can't encode, so its latents are sought; say how "
            "under `projection` in workflow/config/generators.yaml"
        )
    return Search(generator, perceptual, spec.projection, draws(spec, "mean"))


def main(job: Job[ManifoldShardSpec]) -> dict[str, Any]:
    spec, device = job.spec, prepare_device()
    images = read_array(job.verified("images", f"{spec.split}_images"))
    check_images(images, spec)
    folders = project(spec, images, search_of(job, device), job.scratch)
    join_arrays([f / "latents.npy" for f in folders], job.output("latents"))
    join_arrays([f / "images.npy" for f in folders], job.output("images"))
    errors = stacked([read_table(f / "errors.parquet") for f in folders])
    write_table(job.output("errors"), errors)
    join_named([f / "pictures.safetensors" for f in folders], job.output("pictures"))
    return {}


if __name__ == "__main__":
    run("manifolds.project_dataset", ManifoldShardSpec, main)
