"""Gather the latents of all shards, and how far the whole lies from its originals."""

from typing import Any

import pandas as pd

from pipeline_steps.core.arrays import join_arrays, join_named
from pipeline_steps.core.shards import gathered
from pipeline_steps.core.step import Job, run
from pipeline_steps.manifolds.spec import ManifoldSpec

GATHERS = "manifolds.project_dataset"


def main(job: Job[ManifoldSpec]) -> dict[str, Any]:
    join_arrays(gathered(job, "latents"), job.output("latents"))
    join_named(gathered(job, "pictures"), job.output("pictures"))
    tables = [pd.read_parquet(path) for path in gathered(job, "errors")]
    errors = pd.concat(tables, ignore_index=True)
    errors.to_parquet(job.output("errors"), index=False)
    return {
        "images": len(errors),
        "worst_error": float(errors["worst"].max()),
        "mean_error": float(errors["mean"].mean()),
        "worst_error_of_mixtures": float(errors["worst_of_mixture"].max()),
    }


if __name__ == "__main__":
    run("manifolds.gather_manifold", ManifoldSpec, main)
