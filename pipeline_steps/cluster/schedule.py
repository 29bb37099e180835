"""How long jobs take together on a number of GPUs, by simulating their schedule."""

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
    order = list(priorities or [task.priority for task in tasks])
    return _Simulation(tasks, gpus, order, window).run()


class _Simulation:
    """Tasks on their way: those that are ready, that wait for GPUs, and that run."""

    def __init__(
        self,
        tasks: Sequence[Task],
        gpus: int,
        priorities: Sequence[float],
        window: int | None,
    ) -> None:
        self.tasks, self.gpus, self.window = tasks, gpus, window
        self.priorities = priorities
        self.following = _following([task.needs for task in tasks])
        self.open_needs = [len(task.needs) for task in tasks]
        self.starts, self.ends = [0.0] * len(tasks), [0.0] * len(tasks)
        self.ready: list[tuple[float, int, int]] = []
        """The most urgent first, then the one that was ready first."""
        self.submitted: list[int] = []
        self.running: list[tuple[float, int]] = []
        """The one that ends next first."""
        self.now, self.free, self.arrived = 0.0, gpus, 0

    def run(self) -> Schedule:
        for task, count in enumerate(self.open_needs):
            if not count:
                self._arrive(task)
        while self.ready or self.submitted or self.running:
            self._submit()
            self._start()
            self._end()
        return Schedule(self.starts, self.ends)

    def _arrive(self, task: int) -> None:
        heapq.heappush(self.ready, (-self.priorities[task], self.arrived, task))
        self.arrived += 1

    def _submit(self) -> None:
        room = len(self.ready)
        if self.window is not None:
            room = self.window - len(self.submitted) - len(self.running)
        while self.ready and room > 0:
            self.submitted.append(heapq.heappop(self.ready)[2])
            room -= 1

    def _start(self) -> None:
        """Starts what has GPUs, in the order of submission."""
        held = []
        for task in self.submitted:
            if self._share(task) > self.free:
                held.append(task)
                continue
            self.free -= self._share(task)
            self.starts[task] = self.now
            self.ends[task] = self.now + self.tasks[task].seconds
            heapq.heappush(self.running, (self.ends[task], task))
        self.submitted = held

    def _end(self) -> None:
        """Goes on to the next end, and lets arrive what waited for it alone."""
        self.now = self.running[0][0]
        while self.running and self.running[0][0] == self.now:
            _, task = heapq.heappop(self.running)
            self.free += self._share(task)
            for later in self.following[task]:
                self.open_needs[later] -= 1
                if not self.open_needs[later]:
                    self._arrive(later)

    def _share(self, task: int) -> int:
        return min(self.tasks[task].gpus, self.gpus)


def longest_paths(tasks: Sequence[Task]) -> list[float]:
    """For each task, the longest path from its start to the end of all."""
    following = _following([task.needs for task in tasks])
    longest = [0.0] * len(tasks)
    for number in reversed(in_order([task.needs for task in tasks])):
        after = max((longest[later] for later in following[number]), default=0.0)
        longest[number] = tasks[number].seconds + after
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
    """All indices, each after those that it needs."""
    following = _following(needs)
    open_needs = list(map(len, needs))
    order = [task for task, count in enumerate(open_needs) if not count]
    for task in order:
        for later in following[task]:
            open_needs[later] -= 1
            if not open_needs[later]:
                order.append(later)
    return order


def _following(needs: Sequence[Sequence[int]]) -> list[list[int]]:
    following: list[list[int]] = [[] for _ in needs]
    for task, before in enumerate(needs):
        for need in before:
            following[need].append(task)
    return following
