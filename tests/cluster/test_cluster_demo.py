"""The demo through `snakemake --profile slurm`, on a real SLURM: the local run's results."""

import shutil
from datetime import datetime
from itertools import accumulate

import pytest
from cluster_house import results_of

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


@pytest.fixture(scope="module")
def done(cluster, copy):
    """A copy in which everything was made again, by SLURM."""
    house = copy(cluster)
    shutil.rmtree(house.root / "results")
    run = house.start("--profile", "slurm", "--forcerun", "build_dataset")
    assert run.wait(400) == 0, house.said[-3000:]
    return house


def test_the_results_are_those_of_the_local_run(done, base):
    assert results_of(done) == results_of(base)


def test_every_job_ran_once_and_was_granted_its_gpu(done):
    ran = done.executions()
    assert {job.state for job in ran} == {"COMPLETED"}
    assert len({job.what for job in ran}) == len(ran) >= 17
    granted = {job.what: "gres/gpu=1" in job.granted for job in ran}
    without = {what for what, gpu in granted.items() if not gpu}
    assert without == {what for what in granted if "build_dataset" in what} != set()


def test_two_gpus_never_serve_three_jobs_at_once(done):
    ran = [job for job in done.executions() if "gres/gpu" in job.granted]
    moments = [(datetime.fromisoformat(job.start), 1) for job in ran]
    moments += [(datetime.fromisoformat(job.end), -1) for job in ran]
    assert max(accumulate(change for _, change in sorted(moments))) == 2
