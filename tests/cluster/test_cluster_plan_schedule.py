"""The simulated schedule: it is one that could happen, and as good as it says."""

import random

import pytest

from benchmarks.schedule import four_papers, ratios
from pipeline_steps.cluster.schedule import (
    Task,
    bound,
    critical_path,
    longest_paths,
    simulate,
)


def some_tasks(seed: int) -> list[Task]:
    draw = random.Random(seed)
    return [
        Task(
            seconds=draw.choice([0, 1, 5, 60, 3600]),
            gpus=draw.choice([0, 1, 1, 1, 2]),
            needs=tuple(draw.sample(range(place), min(place, draw.randrange(3)))),
            priority=draw.choice([0, 0, 10]),
        )
        for place in range(80)
    ]


@pytest.mark.parametrize("gpus", [1, 2, 5])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("seed", range(5))
def test_no_job_starts_early_and_no_gpu_is_given_twice(seed, window, gpus):
    tasks = some_tasks(seed)
    made = simulate(tasks, gpus, window=window)
    for task, start, end in zip(tasks, made.starts, made.ends, strict=True):
        assert end == start + task.seconds
        assert all(start >= made.ends[need] for need in task.needs)
    for moment in made.starts:
        held = [
            task.gpus
            for task, start, end in zip(tasks, made.starts, made.ends, strict=True)
            if start <= moment < end
        ]
        assert sum(min(share, gpus) for share in held) <= gpus
        assert window is None or len(held) <= window
    assert made.makespan >= bound(tasks, gpus)


@pytest.mark.parametrize("gpus", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_gpus_do_not_idle_while_jobs_of_one_gpu_are_ready(seed, gpus):
    """Graham's guarantee, which holds for every order."""
    tasks = [
        Task(task.seconds, min(task.gpus, 1), task.needs) for task in some_tasks(seed)
    ]
    work = sum(task.seconds * task.gpus for task in tasks)
    longest = max(longest_paths(tasks))
    assert simulate(tasks, gpus).makespan <= work / gpus + longest


def test_the_higher_priority_goes_first():
    tasks = [Task(10, 1), Task(10, 1, priority=5), Task(10, 1)]
    assert simulate(tasks, 1).starts == [10, 0, 20]
    assert simulate(tasks, 1, priorities=[1, 2, 3]).starts == [20, 10, 0]


def test_what_was_submitted_first_starts_first():
    """SLURM does not know Snakemake's priorities: only what waits outside can gain."""
    tasks = [*(Task(10, 1) for _ in range(3)), Task(1, 0, (), 5), Task(10, 1, (3,), 5)]
    assert simulate(tasks, 1, window=None).starts[4] == 30
    assert simulate(tasks, 1, window=2).starts[4] == 10


def test_a_smaller_job_passes_one_that_wants_more_gpus():
    tasks = [Task(10, 1), Task(10, 2), Task(5, 1)]
    assert simulate(tasks, 2).starts == [0, 10, 0]


def test_a_job_of_more_gpus_than_there_are_takes_all():
    assert simulate([Task(10, 4), Task(10, 1)], 2).starts == [0, 10]


def test_the_longest_way_is_found():
    tasks = [Task(1), Task(10, needs=(0,)), Task(2, needs=(0,)), Task(1, needs=(1, 2))]
    assert longest_paths(tasks) == [12, 11, 3, 1]
    assert critical_path(tasks) == [0, 1, 3]
    assert bound(tasks, 8) == 12


def test_nothing_to_do_takes_no_time():
    assert simulate([], 8).makespan == 0
    assert critical_path([]) == []
    assert bound([], 8) == 0


@pytest.mark.parametrize("gpus", [8, 64])
@pytest.mark.parametrize("seed", range(3))
def test_the_rules_keep_four_papers_near_the_ideal(seed, gpus):
    _, rules, longest_first = ratios(four_papers(seed), gpus)
    assert rules < 1.15
    assert longest_first < 1.15
