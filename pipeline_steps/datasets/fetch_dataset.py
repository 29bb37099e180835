"""Fetch a data set's published bytes, checked."""

from typing import Any

from pipeline_steps.core.registry import make
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.spec import FetchSpec


def main(job: Job[FetchSpec]) -> dict[str, Any]:
    spec = job.spec
    make("source", spec.source).fetch(job.output("archive"), spec.dataset)
    return {}


if __name__ == "__main__":
    run("datasets.fetch_dataset", FetchSpec, main)
