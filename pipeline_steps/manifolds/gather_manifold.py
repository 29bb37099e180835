"""Joins a manifold's parts: latents, images on it with their labels, and their
distances.

The result has the form of a data set, so it can be used as one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_steps.core.arrays import join_arrays, join_named, read_array, write_array
from pipeline_steps.core.shards import gathered
from pipeline_steps.core.step import Job
from pipeline_steps.core.tables import Table, read_table, stacked, write_table
from pipeline_steps.manifolds.spec import ManifoldSpec


def gather(job: Job[ManifoldSpec]) -> dict[str, Any]:
    roles = ("latents", "images", "errors", "pictures")
    return write_manifold(job, {role: gathered(job, role) for role in roles})


def write_manifold(
    job: Job[ManifoldSpec], parts: Mapping[str, Sequence[Path]]
) -> dict[str, Any]:
    """Joins the parts in order; each part has a file for each role."""
    split = job.spec.split
    labels = read_array(job.verified("labels", f"{split}_labels"))
    # If only some images were projected, they are repeated in place of all: readers of
    # the data set then read as many as ever, in full batches.
    rows = len(labels) if job.spec.images else None
    join_arrays(parts["latents"], job.output("latents"), rows)
    join_arrays(parts["images"], job.output(f"{split}_images"), rows)
    if rows:
        labels = np.resize(labels[: job.spec.images], rows)
    write_array(job.output(f"{split}_labels"), labels)
    join_named(parts["pictures"], job.output("pictures"))
    errors = stacked([read_table(path) for path in parts["errors"]])
    write_table(job.output("errors"), errors)
    return {"images": len(errors["image"]), **summary(errors)}


def summary(table: Table) -> dict[str, float]:
    """The card's metrics over all images."""
    numbers = {
        "worst_error": float(table["worst"].max()),
        "mean_error": float(table["mean"].mean()),
        "mean_psnr": round(float(table["psnr"].mean()), 4),
    }
    if "worst_of_mixture" in table:
        numbers["worst_error_of_mixtures"] = float(table["worst_of_mixture"].max())
    else:
        numbers["mean_perceptual"] = float(table["perceptual"].mean())
        numbers["mean_distance"] = float(table["distance"].mean())
    return numbers
