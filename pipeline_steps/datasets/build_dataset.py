"""Build a data set's canonical form from its published bytes."""

from typing import Any

from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.registry import make
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.canonical import SPLITS, check, cut_off_test, facts
from pipeline_steps.datasets.spec import SourceSpec


def main(job: Job[SourceSpec]) -> dict[str, Any]:
    spec = job.spec
    source = make("source", spec.source)
    splits = source.decode(job.verified("archive", "archive"), spec.dataset)
    if "all" in splits:
        splits = cut_off_test(splits["all"], spec.test_share, spec.dataset.name)
    for name in SPLITS:
        check(splits[name], spec.dataset, name)
        write_array(job.output(f"{name}_images"), splits[name].images)
        write_array(job.output(f"{name}_labels"), splits[name].labels)
    return {name: facts(splits[name], spec.dataset.classes) for name in SPLITS}


if __name__ == "__main__":
    run("datasets.build_dataset", SourceSpec, main)
