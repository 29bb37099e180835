"""Evaluate the weights that a defense kept during training: robust accuracy over
epochs."""

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.shards import cut
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tables import Table, write_table
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.defenses.load import with_weights
from pipeline_steps.defenses.snapshots import by_epoch
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.evaluation.trained import threat_of
from pipeline_steps.evaluation.verdicts import Judge


def main(job: Job[AttackSpec]) -> dict[str, Any]:
    spec = job.spec
    device = prepare_device(spec.deterministic)
    data = load_image_set(
        job.verified("images", "test_images"),
        job.verified("labels", "test_labels"),
        device,
        spec.images,
    )
    threat, projected = threat_of(job, device, len(data))
    path = job.verified("snapshots", "snapshots")
    snapshots = by_epoch(path)
    if not snapshots:
        raise PipelineError(
            f"{path} keeps no weights; set `snapshots` of this defense in "
            "workflow/config/defenses.yaml above 0"
        )

    @lru_cache(maxsize=1)
    def judge(epoch: int) -> Judge:
        model = with_weights(spec.architecture, snapshots[epoch], path).to(device)
        how = (spec.precision, projected, None, spec.compiled)
        return Judge(model, data, threat, spec.seed, *how)

    parts = list(product(snapshots, cut(len(data), spec.batch)))
    correct: list[bool] = []
    resume, kept = Resume(job.scratch), {"correct": correct}
    for number, _ in resume.steps(kept, len(parts), "batches", "batches"):
        epoch, rows = parts[number]
        correct += judge(epoch)(rows).columns()["correct"].tolist()
    curve = {
        "epoch": np.array([epoch for epoch, rows in parts for _ in rows]),
        "image": np.array([image for _, rows in parts for image in rows]),
        "correct": np.array(correct),
    }
    write_table(job.output("curve"), curve)
    return {"accuracy": {str(e): _accuracy(curve, e) for e in sorted(snapshots)}}


def _accuracy(curve: Table, epoch: int) -> float:
    right = curve["correct"][curve["epoch"] == epoch]
    return round(100 * float(right.mean()), 4)


if __name__ == "__main__":
    run("evaluation.attack_snapshots", AttackSpec, main)
