"""Judge a trained defense under a threat, image by image."""

from typing import Any

import pandas as pd
import torch

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.defenses.load import load_model
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.evaluation.verdicts import Judged, judge
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.threats.catalogue import build_threat


def main(job: Job[AttackSpec]) -> dict[str, Any]:
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
    judged = list(judge(model, data, threat, spec.batch, spec.seed))
    verdicts = pd.concat(
        [part.table(first=i * spec.batch) for i, part in enumerate(judged)],
        ignore_index=True,
    )
    verdicts.to_parquet(job.output("verdicts"), index=False)
    write_tensors(job.output("examples"), examples(judged, spec.kept))
    return {
        "accuracy": round(100 * float(verdicts["correct"].mean()), 4),
        "images": len(verdicts),
        "same_when_asked_twice": all(part.same_when_asked_twice for part in judged),
        "largest_linf": round(float(verdicts["linf"].max()), 6),
    }


def examples(judged: list[Judged], kept: int) -> dict[str, torch.Tensor]:
    """The first images before and after the attack, for pictures."""
    whole = {
        "original": torch.cat([part.original for part in judged]),
        "edited": torch.cat([part.edited for part in judged]),
        "label": torch.cat([part.labels for part in judged]),
        "prediction": torch.cat([part.logits.argmax(dim=1) for part in judged]),
    }
    return {name: tensor[:kept] for name, tensor in whole.items()}


if __name__ == "__main__":
    run("evaluation.attack_defense", AttackSpec, main)
