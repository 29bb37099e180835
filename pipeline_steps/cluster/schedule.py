"""How long jobs take together on so many GPUs, by playing their durations through."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A job as a scheduler sees it; `needs` are the places of those that come before."""

    seconds: float
    gpus: int = 0
    needs: tuple[int, ...] = ()
    priority: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """When each task starts and ends, in seconds from now."""

    starts: list[float]
    ends: list[float]

    @property
    def makespan(self) -> float:
        return max(self.ends, default=0.0)


def simulate(
    tasks: Sequence[Task],
    gpus: int,
    priorities: Sequence[float] | None = None,
    window: int | None = None,
) -> Schedule:
    """Starts each task when what it needs is done, and GPUs are free for it.

    As Snakemake does it on SLURM: of the tasks that are ready the one of the highest
    priority is submitted first, the one that was ready first among equals, and at most
    `window` are submitted at once. SLURM starts those in the order of their submission,
    and lets a later one pass where the first wants more GPUs than are free.
    """
    wanted = list(priorities or [task.priority for task in tasks])
    following = _following([task.needs for task in tasks])
    open_needs = [len(task.needs) for task in tasks]
    starts, ends = [0.0] * len(tasks), [0.0] * len(tasks)
    ready: list[tuple[float, int, int]] = []
    running: list[tuple[float, int]] = []
    waiting: list[int] = []
    now, free, arrived = 0.0, gpus, 0

    def arrive(place: int) -> None:
        nonlocal arrived
        heapq.heappush(ready, (-wanted[place], arrived, place))
        arrived += 1

    for place, count in enumerate(open_needs):
        if not count:
            arrive(place)
    while ready or waiting or running:
        while ready and (window is None or len(waiting) + len(running) < window):
            waiting.append(heapq.heappop(ready)[2])
        held: list[int] = []
        for place in waiting:
            share = min(tasks[place].gpus, gpus)
            if share > free:
                held.append(place)
                continue
            free -= share
            starts[place], ends[place] = now, now + tasks[place].seconds
            heapq.heappush(running, (ends[place], place))
        waiting = held
        now = running[0][0]
        while running and running[0][0] == now:
            _, place = heapq.heappop(running)
            free += min(tasks[place].gpus, gpus)
            for later in following[place]:
                open_needs[later] -= 1
                if not open_needs[later]:
                    arrive(later)
    return Schedule(starts, ends)


def longest_paths(tasks: Sequence[Task]) -> list[float]:
    """For each task the longest way from its start to the end of all."""
    following = _following([task.needs for task in tasks])
    longest = [0.0] * len(tasks)
    for place in reversed(in_order([task.needs for task in tasks])):
        after = max((longest[later] for later in following[place]), default=0.0)
        longest[place] = tasks[place].seconds + after
    return longest


def critical_path(tasks: Sequence[Task]) -> list[int]:
    """The tasks on the longest way, from the first to the last."""
    longest = longest_paths(tasks)
    following = _following([task.needs for task in tasks])
    path: list[int] = []
    ways: Sequence[int] = range(len(tasks))
    while ways:
        path.append(max(ways, key=longest.__getitem__))
        ways = following[path[-1]]
    return path


def bound(tasks: Sequence[Task], gpus: int) -> float:
    """No schedule is shorter: all work shared evenly, or the longest path alone."""
    work = sum(task.seconds * min(task.gpus, gpus) for task in tasks)
    return max([work / gpus, *longest_paths(tasks)])


def in_order(needs: Sequence[Sequence[int]]) -> list[int]:
    """All places, each behind those that it needs."""
    following = _following(needs)
    open_needs = list(map(len, needs))
    order = [place for place, count in enumerate(open_needs) if not count]
    for place in order:
        for later in following[place]:
            open_needs[later] -= 1
            if not open_needs[later]:
                order.append(later)
    return order


def _following(needs: Sequence[Sequence[int]]) -> list[list[int]]:
    following: list[list[int]] = [[] for _ in needs]
    for place, before in enumerate(needs):
        for need in before:
            following[need].append(place)
    return following
