"""Judge the weights that a defense kept on the way: robust accuracy over training."""

from functools import lru_cache
from itertools import product
from typing import Any

import pandas as pd

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.shards import cut
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.defenses.load import with_weights
from pipeline_steps.defenses.snapshots import by_epoch
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.evaluation.trained import threat_of
from pipeline_steps.evaluation.verdicts import Judge


def main(job: Job[AttackSpec]) -> dict[str, Any]:
    spec, device = job.spec, prepare_device()
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
        return Judge(model, data, threat, spec.seed, spec.precision, projected)

    parts = list(product(snapshots, cut(len(data), spec.batch)))
    correct: list[bool] = []
    resume, kept = Resume(job.scratch), {"correct": correct}
    for number, _ in resume.steps(kept, len(parts), "batches", "batches"):
        epoch, rows = parts[number]
        correct += judge(epoch)(rows).columns()["correct"].tolist()
    curve = pd.DataFrame(
        [(epoch, image) for epoch, rows in parts for image in rows],
        columns=["epoch", "image"],
    ).assign(correct=correct)
    curve.to_parquet(job.output("curve"), index=False)
    accuracy = 100 * curve.groupby("epoch")["correct"].mean()
    return {"accuracy": {str(e): round(float(a), 4) for e, a in accuracy.items()}}


if __name__ == "__main__":
    run("evaluation.attack_snapshots", AttackSpec, main)
