"""Judge the weights that a defense kept on the way: robust accuracy over training."""

from typing import Any

import pandas as pd

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import say
from pipeline_steps.core.shards import cut
from pipeline_steps.core.step import Job, run
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.defenses.load import with_weights
from pipeline_steps.defenses.snapshots import by_epoch
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.evaluation.trained import threat_of
from pipeline_steps.evaluation.verdicts import judge


def main(job: Job[AttackSpec]) -> dict[str, Any]:
    spec, device = job.spec, prepare_device()
    threat = threat_of(job, device)
    data = load_image_set(
        job.verified("images", "test_images"),
        job.verified("labels", "test_labels"),
        device,
        spec.images,
    )
    path = job.verified("snapshots", "snapshots")
    parts = []
    for epoch, kept in by_epoch(path).items():
        model = with_weights(spec.architecture, kept, path).to(device)
        batches = cut(len(data), spec.batch)
        for part in judge(model, data, threat, batches, spec.seed, spec.precision):
            parts.append(part.table()[["image", "correct"]])
            parts[-1].insert(0, "epoch", epoch)
        say(f"epoch {epoch} judged")
    if not parts:
        raise PipelineError(
            f"{path} keeps no weights; set `snapshots` of this defense in "
            "workflow/config/defenses.yaml above 0"
        )
    curve = pd.concat(parts, ignore_index=True)
    curve.to_parquet(job.output("curve"), index=False)
    accuracy = 100 * curve.groupby("epoch")["correct"].mean()
    return {"accuracy": {str(e): round(float(a), 4) for e, a in accuracy.items()}}


if __name__ == "__main__":
    run("evaluation.attack_snapshots", AttackSpec, main)
