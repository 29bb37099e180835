"""Trains a flow by maximum likelihood on a data set, and checks that it reconstructs
exactly."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from pipeline_steps.core import workers
from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.device import prepare_device, sent
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import writing
from pipeline_steps.core.progress import say
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.rng import rng
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import floats, mixtures
from pipeline_steps.generators.generator import ExactGenerator, Generator, build_flow
from pipeline_steps.generators.spec import FlowSpec, FlowTraining

WORST_ERROR = 1e-3
# Actnorm standardises this many images, as Glow's own code does.
IMAGES_TO_FIT = 256
EPOCHS_ENDS = "ends of epochs"


def train_flow(
    spec: FlowSpec, images: Tensor, scratch: Path, device: torch.device
) -> tuple[ExactGenerator, dict[str, list[float]]]:
    """A trained flow; the mean bits per dimension and the worst error of each epoch.

    Step k draws the same images and noise whether or not the run was resumed before it.
    """
    training = spec.training
    images = images.to(device)
    steps_of = FlowSteps(spec, len(images))
    batch, each = steps_of.batch, steps_of.steps_of_epoch
    model = fresh_flow(spec, images, device)
    bits_of = workers.shared(model, mean_bits)
    optimiser = torch.optim.Adamax(
        model.parameters(), training.learning_rate, weight_decay=training.weight_decay
    )
    average = Average(model, training.ema)
    averaged = average.module
    assert isinstance(averaged, ExactGenerator)
    history: dict[str, list[float]] = {"bits_per_dimension": [], "worst_error": []}
    running: list[float] = []
    parts = {
        "model": model,
        "optimiser": optimiser,
        "average": average,
        "running": running,
        **history,
    }
    total = training.epochs * each
    for step, meter in Resume(scratch).steps(parts, steps_of.steps, "flow"):
        epoch, place = divmod(step, each)
        order = rng(spec.seed, "flow", "order", epoch).permutation(len(images))
        chosen = images[sent(order[place * batch : (place + 1) * batch], device)]
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(training, step, total)
        bits = likelihood_step(spec, bits_of, optimiser, chosen, step)
        average.update_parameters(model)
        running.append(bits)
        if place + 1 < each and step + 1 < steps_of.steps:
            continue
        with meter.watch.apart(EPOCHS_ENDS):
            history["bits_per_dimension"].append(sum(running) / len(running))
            history["worst_error"].append(worst_error(averaged, floats(chosen)))
            running.clear()
            meter.show(**{name: values[-1] for name, values in history.items()})
            check_error(history["worst_error"][-1], f"after epoch {epoch + 1}")
    return averaged, history


class FlowSteps:
    """How many steps a flow trains for on this many images; there may be a limit."""

    def __init__(self, spec: FlowSpec, images: int) -> None:
        self.batch = min(spec.training.batch, images)
        self.steps_of_epoch = images // self.batch
        whole = spec.training.epochs * self.steps_of_epoch
        self.steps = min(whole, spec.steps or whole)
        self.epochs = math.ceil(self.steps / self.steps_of_epoch)


class Average(AveragedModel):
    """The moving average of a flow's weights, which follows them faster at first,
    because it begins untrained."""

    def __init__(self, model: nn.Module, most: float) -> None:
        super().__init__(model, multi_avg_fn=self._follow)
        self.most = most

    @torch.no_grad()
    def _follow(self, average: Any, weights: Any, _: Tensor | int) -> None:
        steps = int(self.n_averaged)  # not torch's own copy: it is on the GPU
        share = min(self.most, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(average, weights, 1 - share)


def fresh_flow(spec: FlowSpec, images: Tensor, device: torch.device) -> ExactGenerator:
    """An untrained flow whose actnorm layers have seen a first batch."""
    model = build_flow(spec.model)
    model.draw_weights(rng(spec.seed, "flow", "weights"))
    model = model.to(device)
    order = rng(spec.seed, "flow", "fit").permutation(len(images))[:IMAGES_TO_FIT]
    first = floats(images[order.to(device)])
    noise = rng(spec.seed, "flow", "fit noise", device=device).uniform(first.shape)
    model.initialise(model.dequantised(first, noise))
    return model


def mean_bits(model: ExactGenerator, images: Tensor, noise: Tensor) -> Tensor:
    return model.bits_per_dimension(images, noise).mean()


def likelihood_step(
    spec: FlowSpec,
    bits_of: Callable[..., Tensor],
    optimiser: torch.optim.Optimizer,
    chosen: Tensor,
    step: int,
) -> float:
    """One training step; returns the bits per dimension before it."""
    training = spec.training
    stream = rng(spec.seed, "flow", "noise", step, device=chosen.device)
    noise, own = stream.uniform(chosen.shape), workers.share(len(chosen))
    bits = bits_of(floats(chosen[own]), noise[own])
    optimiser.zero_grad(set_to_none=True)
    bits.backward()
    nn.utils.clip_grad_norm_(
        optimiser.param_groups[0]["params"], training.gradient_limit
    )
    optimiser.step()
    # Read at the end of the step, when the GPU already has all of its work queued.
    mean = workers.mean(float(bits.detach()))
    if not math.isfinite(mean):
        raise PipelineError(
            f"the flow's likelihood became {mean} at step {step} with learning rate "
            f"{training.learning_rate:g}; lower learning_rate, or raise warm_up "
            f"(now {training.warm_up})"
        )
    return mean


def learning_rate(training: FlowTraining, step: int, total: int) -> float:
    """It rises over the warm-up and falls towards zero over the whole run.

    IJSAT states no schedule. A constant rate, as in public Glows, leaves the density
    jittering: on the demo's digits it costs a third of a bit per dimension.
    """
    rise = (step + 1) / (training.warm_up + 1)
    return training.learning_rate * min(1.0, rise) * (1 - step / total)


@torch.no_grad()
def worst_error(model: Generator, images: Tensor) -> float:
    """The largest change of any pixel by encoding and decoding."""
    return float((model.decode(model.encode(images)) - images).abs().max())


def check_error(error: float, when: str) -> None:
    """Refuses a flow that is not invertible in practice."""
    if not error <= WORST_ERROR:
        raise PipelineError(
            f"the flow changes a pixel by {error:.2g} when it encodes and decodes, "
            f"{when}, where {WORST_ERROR:g} is the most allowed; train it with a lower "
            "learning_rate, a longer warm_up or fewer steps of flow"
        )


@torch.no_grad()
def measure_flow(
    spec: FlowSpec, model: ExactGenerator, images: Tensor, device: torch.device
) -> dict[str, Any]:
    """Bits per dimension and errors of reconstruction on images never trained on."""
    bits, worst, mixed = [], 0.0, 0.0
    for index, whole in enumerate(images.split(spec.training.batch)):
        clean = floats(whole.to(device))
        stream = rng(spec.seed, "flow", "test", index)
        noise = stream.uniform(clean.shape).to(device)
        bits.append(model.bits_per_dimension(clean, noise).double())
        # max() would drop a NaN that comes second; np.maximum keeps it.
        worst = float(np.maximum(worst, worst_error(model, clean)))
        mixture = mixtures(clean, stream)
        mixed = float(np.maximum(mixed, worst_error(model, mixture)))
    check_error(worst, "on test images")
    check_error(mixed, "on mixtures of test images")
    return {
        "bits_per_dimension": float(torch.cat(bits).mean()),
        "worst_error": worst,
        "worst_error_of_mixtures": mixed,
        "parameters": sum(p.numel() for p in model.parameters()),
        "latent_dimensions": model.dimensions,
    }


def read_images(path: Path, spec: FlowSpec) -> Tensor:
    """The images of a data set as uint8, NCHW."""
    array = read_array(path)
    shape = (spec.dataset.channels, spec.dataset.size, spec.dataset.size)
    if array.dtype == np.float32:
        raise PipelineError(
            f"{path} holds the raw output of a GAN, but a flow learns from bytes; "
            "remove `decoded: raw` of that GAN in workflow/config/generators.yaml"
        )
    if array.dtype != np.uint8 or array.shape[1:] != shape or len(array) == 0:
        raise PipelineError(
            f"{path} holds {array.dtype} of shape {list(array.shape)}, not uint8 "
            f"images of shape {list(shape)}; delete it and build it again"
        )
    return torch.from_numpy(np.array(array))


def write_history(path: Path, history: dict[str, list[float]]) -> None:
    rows = zip(*history.values(), strict=True)
    lines = [",".join(["epoch", *history])]
    lines += [",".join(map(repr, [n, *row])) for n, row in enumerate(rows, start=1)]
    with writing(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(job: Job[FlowSpec]) -> dict[str, Any]:
    device = prepare_device()
    workers.join(device)
    images = read_images(job.verified("data", "train_images"), job.spec)
    test = read_images(job.verified("test", "test_images"), job.spec)
    model, history = train_flow(job.spec, images, job.scratch, device)
    if not workers.part():
        return {}
    metrics = measure_flow(job.spec, model, test, device)
    say(f"test: {metrics['bits_per_dimension']:.3f} bits per dimension")
    write_tensors(job.output("weights"), model.state_dict())
    write_history(job.output("history"), history)
    return metrics


if __name__ == "__main__":
    run("generators.train_flow", FlowSpec, main)
