"""Makes one result, by the path of any of its files.

    python -m pipeline_steps RESULT [--spec DIGEST] [--code DIGEST]
        [--minutes 60] [--processes 1] [--scale demo] [--cpu]

Every rule runs this command. Snakemake has then described the job in a file
(`core/job_file.py`) and passes the digests of the planned settings and code. Without
them, the job is what the config says now.
"""

import argparse
import os
import runpy
import sys
from collections.abc import Callable
from contextlib import suppress

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.job_file import ON_CPU, JobFile, place_of
from pipeline_steps.core.progress import say


def described(result: str, scale: str, spec: str | None, code: str | None) -> JobFile:
    """The job that makes a result: as it was planned, or from the config."""
    place = place_of(result)
    if spec and code:
        # A file that is unreadable or from another plan is replaced below.
        with suppress(PipelineError):
            job = JobFile.read(place)
            if (job.spec_digest, job.code) == (spec, code):
                return job
    # Reading the config takes half a second, and few jobs need it.
    from pipeline_steps.jobs.planned import planned_for

    job = planned_for(result, scale).file
    if spec and job.spec_digest != spec:
        raise PipelineError(
            f"the settings of {result} changed after this job was planned; run snakemake "
            "again, which plans with today's settings"
        )
    if code and job.code != code:
        raise PipelineError(
            f"the code of {job.step} changed after this job was planned; run snakemake "
            "again, which plans with today's code"
        )
    job.write(place)
    return job


def _above_zero(kind: type[int] | type[float]) -> Callable[[str], float]:
    """A type for argparse: a number above 0."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if (number := kind(text)) > 0:
                return number
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")

    return read


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline_steps")
    parser.add_argument("result", help="any file that the job makes")
    parser.add_argument("--spec", help="the digest of the settings that were planned")
    parser.add_argument("--code", help="the digest of the code that was planned")
    parser.add_argument(
        "--minutes", type=_above_zero(float), help="the job's time limit"
    )
    parser.add_argument(
        "--processes", type=_above_zero(int), default=1, help="one for each GPU"
    )
    parser.add_argument("--scale", default="demo", help="of a data set's own results")
    parser.add_argument("--cpu", action="store_true", help="even if a GPU is wanted")
    options = parser.parse_args()
    if options.cpu:
        os.environ[ON_CPU] = "1"
    try:
        # As in the table of results, even if typed with a leading folder.
        result = os.path.relpath(options.result or os.curdir)
        job = described(result, options.scale, options.spec, options.code)
    except PipelineError as error:
        say(f"error: {error}")
        sys.exit(1)
    place = place_of(result)
    limit = ["--minutes", str(options.minutes)] if options.minutes else []
    sys.argv[1:] = [str(place), *limit, "--processes", str(options.processes)]
    runpy.run_module(f"pipeline_steps.{job.step}", run_name="__main__", alter_sys=True)
    place.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
