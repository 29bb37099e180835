"""Adopt a model that was trained elsewhere, so that it is evaluated like every
defense."""

from typing import Any

from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256
from pipeline_steps.core.progress import say
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.defenses.load import answering, new_model
from pipeline_steps.defenses.own_weights import (
    check_answers,
    put_weights,
    read_weights,
)
from pipeline_steps.defenses.spec import AdoptSpec
from pipeline_steps.threats.frozen import frozen, logits_of

# The number of test images for a first check of its accuracy.
TRIED = 200


def main(job: Job[AdoptSpec]) -> dict[str, Any]:
    spec, device, path = job.spec, prepare_device(), job.input("given")
    if sha256(path) != spec.weights:
        raise PipelineError(
            f"{path} changed after this job was planned; run snakemake again"
        )
    model = new_model(spec.architecture, seed=0)
    put_weights(model, read_weights(path), path)
    static, model = model, answering(model, spec.architecture)
    data = load_image_set(
        job.verified("images", "test_images"),
        job.verified("labels", "test_labels"),
        device,
        TRIED,
    )
    model = model.to(device).eval()
    images, labels = data[data.labels.new_tensor(range(len(data)))]
    check_answers(model, images, spec.dataset.classes, spec.name)
    with frozen(model):
        right = logits_of(model, images).argmax(dim=1) == labels
    accuracy = 100 * float(right.float().mean())
    say(
        f"{spec.name} is right on {accuracy:.1f} % of the first {len(data)} test images; "
        "images are in [0, 1], so what normalises them belongs into the model"
    )
    write_tensors(job.output("weights"), static.state_dict())
    parameters = sum(p.numel() for p in static.parameters())
    return {"accuracy": round(accuracy, 4), "parameters": parameters}


if __name__ == "__main__":
    run("defenses.adopt_defense", AdoptSpec, main)
