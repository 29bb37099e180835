"""The verdicts of all shards together, as one job for all images would give them."""

from typing import Any

import numpy as np

from pipeline_steps.core.arrays import join_named
from pipeline_steps.core.card import read_card
from pipeline_steps.core.shards import gathered
from pipeline_steps.core.step import Job
from pipeline_steps.core.tables import Table, read_table, stacked, write_table
from pipeline_steps.evaluation.spec import AttackSpec


def gather(job: Job[AttackSpec]) -> dict[str, Any]:
    verdicts = stacked([read_table(path) for path in gathered(job, "verdicts")])
    write_table(job.output("verdicts"), verdicts)
    join_named(gathered(job, "examples"), job.output("examples"))
    suspects = [read_card(card).metrics for card in job.parts["card"]]
    same = all(suspect["same_when_asked_twice"] for suspect in suspects)
    return metrics(verdicts) | suspects[0] | {"same_when_asked_twice": same}


def metrics(verdicts: Table) -> dict[str, Any]:
    """The card's metrics over all images."""
    numbers: dict[str, Any] = {
        "accuracy": round(100 * float(verdicts["correct"].mean()), 4),
        "images": len(verdicts["image"]),
        "largest_linf": round(float(verdicts["linf"].max()), 6),
        "mean_used": round(float(verdicts["used"].mean()), 2),
    }
    if "perceptual" in verdicts:
        numbers["mean_perceptual"] = round(float(verdicts["perceptual"].mean()), 6)
    if "broken_by" in verdicts:
        parts, counts = np.unique(verdicts["broken_by"], return_counts=True)
        numbers["broken_by"] = dict(zip(parts, counts.tolist(), strict=True))
    return numbers
