"""Gather the verdicts of all shards: those that one job for all images would give."""

from typing import Any

import pandas as pd

from pipeline_steps.core.arrays import join_named
from pipeline_steps.core.card import read_card
from pipeline_steps.core.shards import gathered
from pipeline_steps.core.step import Job, run
from pipeline_steps.evaluation.spec import AttackSpec

GATHERS = "evaluation.attack_defense"


def main(job: Job[AttackSpec]) -> dict[str, Any]:
    tables = [pd.read_parquet(path) for path in gathered(job, "verdicts")]
    verdicts = pd.concat(tables, ignore_index=True)
    verdicts.to_parquet(job.output("verdicts"), index=False)
    join_named(gathered(job, "examples"), job.output("examples"))
    metrics: dict[str, Any] = {
        "accuracy": round(100 * float(verdicts["correct"].mean()), 4),
        "images": len(verdicts),
        "largest_linf": round(float(verdicts["linf"].max()), 6),
        "mean_used": round(float(verdicts["used"].mean()), 2),
    }
    if "perceptual" in verdicts:
        metrics["mean_perceptual"] = round(float(verdicts["perceptual"].mean()), 6)
    if "broken_by" in verdicts:
        counts = verdicts["broken_by"].value_counts()
        metrics["broken_by"] = {str(k): int(v) for k, v in sorted(counts.items())}
    told = [read_card(card).metrics for card in job.parts["card"]]
    same = all(part["same_when_asked_twice"] for part in told)
    return metrics | told[0] | {"same_when_asked_twice": same}


if __name__ == "__main__":
    run("evaluation.gather_verdicts", AttackSpec, main)
