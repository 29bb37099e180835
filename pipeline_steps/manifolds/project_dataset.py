"""Projects a data set onto a generator's manifold, with a latent for every image: a
whole split, a shard of it, or the whole from its shards."""

from typing import Any

from pipeline_steps.core.step import Job, run
from pipeline_steps.manifolds.spec import ManifoldSpec


def main(job: Job[ManifoldSpec]) -> dict[str, Any]:
    # Gathering needs no torch and is done where Snakemake runs.
    if job.parts:
        from pipeline_steps.manifolds.gather_manifold import gather

        return gather(job)
    from pipeline_steps.manifolds.project_images import project

    return project(job)


if __name__ == "__main__":
    run("manifolds.project_dataset", ManifoldSpec, main)
