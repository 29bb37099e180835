"""Show where a defense looks in the images that a threat has edited (Grad-CAM)."""

from typing import Any

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.evaluation.grad_cam import grad_cam
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.evaluation.trained import defense_of
from pipeline_steps.threats.frozen import logits_of


def main(job: Job[AttackSpec]) -> dict[str, Any]:
    """The attack's spec says which images these are; the maps are for the predicted
    class."""
    device = prepare_device()
    path = job.verified("examples", "examples")
    examples = read_tensors(path)
    if not len(examples["label"]):
        raise PipelineError(
            f"{path} holds no images; set `kept` under `evaluation` of the scale above 0"
        )
    model = defense_of(job).to(device)
    images, prediction = (examples[k].to(device) for k in ("edited", "prediction"))
    shares = logits_of(model, images).softmax(dim=1)
    confidence = shares.gather(1, prediction[:, None])[:, 0]
    content = examples | {
        "map": grad_cam(model, images, prediction),
        "confidence": confidence,
    }
    write_tensors(job.output("maps"), content)
    return {
        "images": len(images),
        "mean_confidence": round(100 * float(confidence.mean()), 4),
    }


if __name__ == "__main__":
    run("evaluation.explain_defense", AttackSpec, main)
