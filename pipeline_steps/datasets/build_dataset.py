"""Build a data set's canonical form from its published bytes."""

from typing import Any

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.canonical import SPLITS, check, cut_off_test, write
from pipeline_steps.datasets.spec import SourceSpec


def main(job: Job[SourceSpec]) -> dict[str, Any]:
    spec = job.spec
    source = make("source", spec.source)
    decoded = source.decode(job.verified("archive", "archive"), spec.dataset)
    splits = decoded.splits
    if "all" in splits:
        splits = cut_off_test(splits["all"], spec.cut, spec.dataset.name)
    if len(decoded.names) != spec.dataset.classes:
        raise PipelineError(
            f"data set {spec.dataset.name}: it names {len(decoded.names)} classes, where "
            f"the config says {spec.dataset.classes}"
        )
    metrics: dict[str, Any] = {"names": decoded.names}
    for name in SPLITS:
        check(splits[name], spec.dataset, name)
        metrics[name] = write(
            splits[name],
            job.output(f"{name}_images"),
            job.output(f"{name}_labels"),
            spec.dataset.classes,
        )
    return metrics


if __name__ == "__main__":
    run("datasets.build_dataset", SourceSpec, main)
