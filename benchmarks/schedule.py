"""The order of jobs on 8 and 64 GPUs: makespan over the ideal bound, by simulation.

python -m benchmarks.schedule [--seeds 10]

Two graphs: the paper scale's own, as `make plan` sees it, and one of the shape that four
papers have, with durations drawn over two orders of magnitude. Orders: first come, the
rules' priorities, and the longest path first; 100 jobs are submitted at once.
"""

import argparse
import random
from collections.abc import Sequence
from math import ceil, exp, log

from pipeline_steps.cluster.cost_plan import make_plan
from pipeline_steps.cluster.schedule import Task, bound, longest_paths, simulate

WINDOW = 100
HOUR = 3600.0
# As the rules say it: what begins long paths is submitted first.
PRIORITIES = {"train_flow": 30.0, "project_dataset": 20.0, "train_defense": 10.0}


def four_papers(seed: int) -> list[Task]:
    """Some 2,900 jobs: 5 generators, 60 defenses, 20 threats for each."""
    draw = random.Random(seed)
    tasks: list[Task] = []

    def add(step: str, hours: float, gpus: int, *needs: int) -> int:
        tasks.append(Task(hours * HOUR, gpus, needs, PRIORITIES.get(step, 0.0)))
        return len(tasks) - 1

    def spread(low: float, high: float) -> float:
        return exp(draw.uniform(log(low), log(high)))

    data = [add("build_dataset", 0.05, 0) for _ in range(4)]
    generators, manifolds = [], []
    for _ in range(5):
        images = draw.choice(data)
        generators.append(add("train_flow", spread(5, 100), 1, images))
        hours = spread(1, 20) / 4
        needs = (images, generators[-1])
        shards = [add("project_dataset", hours, 1, *needs) for _ in range(4)]
        manifolds.append(add("gather_manifold", 0.02, 0, *shards))
    verdicts = []
    for _ in range(60):
        # Some learn from images alone, some need a generator, some a manifold.
        kind = draw.choice([[], generators, manifolds])
        more = [draw.choice(kind)] if kind else []
        defense = add("train_defense", spread(1, 100), 1, draw.choice(data), *more)
        for threat in range(20):
            behind = (defense, generators[0]) if threat < 4 else (defense,)
            hours = spread(0.05, 5)
            count = ceil(hours / 2)
            shards = [
                add("attack_defense", hours / count, 1, *behind) for _ in range(count)
            ]
            verdicts.append(add("gather_verdicts", 0.01, 0, *shards))
    for _ in range(12):
        add("make_table", 0.02, 0, *draw.sample(verdicts, 100))
    return tasks


def ratios(tasks: Sequence[Task], gpus: int) -> tuple[float, float, float]:
    """Makespan over the bound: first come, the rules' priorities, longest path first."""
    orders = ([0.0] * len(tasks), None, longest_paths(tasks))
    least = bound(tasks, gpus)
    first_come, rules, longest_first = (
        simulate(tasks, gpus, order, WINDOW).makespan / least for order in orders
    )
    return first_come, rules, longest_first


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    told = parser.parse_args()
    graphs = {f"four papers, seed {s}": [four_papers(s)] for s in range(told.seeds)}
    graphs["the paper scale"] = [make_plan("paper", ["--forceall"]).tasks]
    print("graph, GPUs: first come, the rules' priorities, longest path first")
    for gpus in (8, 16, 64):
        for name, (tasks,) in graphs.items():
            shown = ", ".join(f"{ratio:.3f}" for ratio in ratios(tasks, gpus))
            print(f"{name} ({len(tasks)} jobs), {gpus}: {shown}", flush=True)


if __name__ == "__main__":
    main()
