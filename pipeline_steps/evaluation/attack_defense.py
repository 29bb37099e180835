"""Judge a trained defense under a threat, image by image, on a shard of the test set."""

from typing import Any

import pandas as pd
import torch

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.defenses.load import load_model
from pipeline_steps.evaluation.spec import AttackShardSpec
from pipeline_steps.evaluation.verdicts import Judged, judge
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.threats.catalogue import build_threat


def main(job: Job[AttackShardSpec]) -> dict[str, Any]:
    spec, device = job.spec, prepare_device()
    weights = job.all_verified("generators", "weights")
    generators = load_generators(spec.model_dump(), weights, device)
    threat = build_threat(spec.threat, generators)
    model = load_model(spec.architecture, job.verified("weights", "weights")).to(device)
    data = load_image_set(
        job.verified("images", "test_images"),
        job.verified("labels", "test_labels"),
        device,
        spec.images,
    )
    tables, kept, same = [], [], []
    batches = spec.shard.batches(len(data), spec.batch)
    for judged in judge(model, data, threat, batches, spec.seed):
        tables.append(judged.table())
        kept.append(examples(judged, spec.kept))
        same.append(judged.same_when_asked_twice)
    pd.concat(tables).to_parquet(job.output("verdicts"), index=False)
    write_tensors(
        job.output("examples"),
        {name: torch.cat([part[name] for part in kept]) for name in kept[0]},
    )
    return {"same_when_asked_twice": all(same)}


def examples(judged: Judged, kept: int) -> dict[str, torch.Tensor]:
    """The first images before and after the attack, for pictures."""
    whole = {
        "original": judged.original,
        "edited": judged.edited,
        "label": judged.labels,
        "prediction": judged.logits.argmax(dim=1),
    }
    count = max(0, kept - judged.rows.start)
    return {name: tensor[:count].cpu() for name, tensor in whole.items()}


if __name__ == "__main__":
    run("evaluation.attack_defense", AttackShardSpec, main)
