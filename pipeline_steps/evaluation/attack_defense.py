"""Judges a trained defense under a threat, image by image: on all test images, on a shard
of them, or by gathering the verdicts of all shards."""

from typing import Any

from pipeline_steps.core.step import Job, run
from pipeline_steps.evaluation.spec import AttackSpec


def main(job: Job[AttackSpec]) -> dict[str, Any]:
    # Gathering needs no torch, and runs on Snakemake's own machine.
    if job.parts:
        from pipeline_steps.evaluation.gather_verdicts import gather

        return gather(job)
    from pipeline_steps.evaluation.attack_images import attack

    return attack(job)


if __name__ == "__main__":
    run("evaluation.attack_defense", AttackSpec, main)
