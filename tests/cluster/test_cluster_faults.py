"""Faults of a real SLURM: each ends in the bytes of an undisturbed run, and costs no work.

Every fault befalls the training of one network in a checkout of its own. They mostly wait
for SLURM to notice, so all of them happen at the same time.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster_house import DEMO, WEIGHTS, ClusterHouse, results_of
from slurm_house import wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

PLACE = "results/demo/checkpoints/defenses/digits"
MEMORY = 300
"""Less than a training takes, and more than half of it."""

FAULTS: dict[Callable[[ClusterHouse], None], str] = {}
APART = "a cluster of its own"


def fault(place: str) -> Callable[[Callable], Callable]:
    """Marks what a fault does to a training in this partition, and how that ends."""

    def known(function: Callable) -> Callable:
        FAULTS[function] = place
        return function

    return known


# ---- The faults --------------------------------------------------------------------------


@fault("main")
def cancel(house):
    process = house.train()
    house.cluster.ask("scancel", house.amid_training(hold=True))
    house.ends_well(process)


@fault("main")
def requeue(house):
    process = house.train()
    number = house.amid_training(hold=True)
    house.cluster.ask("scontrol", "requeue", number)
    house.start_at_once(number)
    house.ends_well(process)


@fault("low")
def preempt(house):
    process = house.train()
    number = house.amid_training(hold=True)
    urgent = ("--partition=urgent", "--exclusive", "--time=1", "--chdir=/")
    house.cluster.ask("sbatch", *urgent, "--output=/dev/null", "--wrap", "sleep 3")
    house.start_at_once(number)
    house.ends_well(process)


@fault("lone")
def lose_slurmd_for_a_while(house):
    process = house.train()
    house.amid_training()
    house.cluster.kill("n5")
    time.sleep(3)
    house.cluster.start("n5")
    house.ends_well(process)


@fault("spare")
def lose_slurmd(house):
    process = house.train()
    number = house.amid_training()
    (old,) = house.trainings()
    node = house.executions()[0].nodes
    house.cluster.kill(node)
    os.kill(old, signal.SIGSTOP)
    house.start_at_once(number)
    wait_until(lambda: "another copy of this job" in house.log(), "second copy", 200)
    os.kill(old, signal.SIGCONT)
    house.ends_well(process)
    house.cluster.start(node)


@fault("main")
def reach_own_limit(house):
    """Three seconds after its start a job of ten minutes is told that they are over."""
    clock = "pipeline_steps/core/processes.py"
    house.edit(clock, r"SMALLEST_MARGIN = .*", "SMALLEST_MARGIN = 597")
    house.configure(DEMO, "resources.train_defense.minutes", 10)
    house.ends_well(house.train())


@fault("main")
def reach_slurms_limit(house):
    process = house.train()
    number = house.amid_training(hold=True)
    house.cluster.ask("scontrol", "update", f"jobid={number}", "TimeLimit=0:01")
    house.ends_well(process)


@fault("main")
def exceed_memory(house):
    house.configure(DEMO, "resources.train_defense.memory_mb", MEMORY)
    house.ends_well(house.train())


@fault("main")
def lose_controller(house):
    process = house.train()
    house.amid_training()
    process.kill()
    process.wait()
    house.ends_well(house.launch(WEIGHTS))


@fault("main")
def lose_controller_and_cancel(house):
    process = house.train()
    house.amid_training(hold=True)
    process.kill()
    process.wait()
    house.ends_well(house.launch(WEIGHTS, "--orphans", "cancel"))


@fault("main")
def interrupt(house):
    process = house.launch(WEIGHTS)
    house.amid_training(hold=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(400) != 0
    assert "its jobs are cancelled" in house.said
    house.ends_well(house.launch(WEIGHTS))


@fault(APART)
def lose_slurmctld(house):
    process = house.launch(WEIGHTS)
    house.amid_training()
    house.cluster.kill("slurmctld")
    time.sleep(20)
    wait_until(lambda: "Falling back to 'sacct'" in house.said, "a look", 200)
    house.cluster.start("slurmctld")
    house.ends_well(process)


@fault("main")
def fill_disk(house):
    place, aside = house.root / PLACE, house.root / "aside"
    place.rename(aside)
    place.mkdir()
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(small, capture_output=True).returncode != 0:
        pytest.skip("this machine lets no small file system be mounted")
    try:
        process = house.train()
        wait_until(lambda: "the disk is full" in house.log(), "full disk", 200)
        subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
        house.ends_well(process)
        shutil.copytree(place, aside, dirs_exist_ok=True)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    shutil.rmtree(place)
    aside.rename(place)


@pytest.fixture(scope="module")
def after(
    request, cluster, start_cluster, copy, base
) -> Iterator[Callable[[Callable], ClusterHouse]]:
    """The checkout of a fault, when it is over; only those happen that tests ask for."""
    tests = (getattr(test, "callspec", None) for test in request.session.items)
    asked = [test.params["act"] for test in tests if test and "act" in test.params]
    with ThreadPoolExecutor(len(FAULTS)) as pool:
        running = {}
        for act, place in FAULTS.items():
            if act not in asked:
                continue
            where = (start_cluster(), "main") if place == APART else (cluster, place)
            house = copy(*where)
            house.forget_training()
            running[act] = house, pool.submit(act, house)

        def outcome(act: Callable) -> ClusterHouse:
            house, future = running[act]
            future.result()
            assert results_of(house) == results_of(base)
            assert not list(house.root.glob("results/.unfinished/*"))
            return house

        yield outcome
        for house, _ in running.values():
            house.end()


def of(*acts: Callable) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("act", acts)


# ---- What they must leave ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "ended"),
    [
        (cancel, "CANCELLED"),
        (requeue, "REQUEUED"),
        (preempt, "PREEMPTED"),
        (reach_own_limit, "FAILED"),
        (reach_slurms_limit, "TIMEOUT"),
        (lose_controller_and_cancel, "CANCELLED"),
        (interrupt, "CANCELLED"),
    ],
)
def test_training_goes_on_where_it_was(after, act, ended):
    house = after(act)
    assert house.states() == [ended, "COMPLETED"]
    assert "resumed after step" in house.log()


@of(lose_slurmd_for_a_while, lose_controller, lose_slurmctld)
def test_a_job_that_can_live_on_is_not_run_again(after, act):
    house = after(act)
    assert house.states() == ["COMPLETED"]
    assert "resumed" not in house.log()


@of(lose_slurmd)
def test_a_job_that_lived_on_where_its_node_was_lost_is_not_done_again(after, act):
    house = after(act)
    assert len(house.states()) == 2
    assert "the other copy made the outputs of this job" in house.log()


@of(exceed_memory)
def test_a_job_over_its_memory_is_granted_more(after, act):
    house = after(act)
    assert house.states() == ["FAILED", "COMPLETED"]
    granted = [job.granted for job in house.executions()]
    assert f"mem={MEMORY}M" in granted[0]
    assert f"mem={2 * MEMORY}M" in granted[1]


@of(fill_disk)
def test_training_ends_when_the_disk_has_space_again(after, act):
    house = after(act)
    assert house.states() == ["FAILED", "COMPLETED"]
    assert "resumed after step" in house.log()
