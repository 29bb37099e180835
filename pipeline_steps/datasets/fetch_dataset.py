"""Fetch a data set's published bytes, checked."""

from typing import Any

from pipeline_steps.core.registry import make
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.spec import SourceSpec


def main(job: Job[SourceSpec]) -> dict[str, Any]:
    make("source", job.spec.source).fetch(job.output("archive"))
    return {}


if __name__ == "__main__":
    run("datasets.fetch_dataset", SourceSpec, main)
