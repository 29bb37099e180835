"""Train a defense: its weights, the weights kept on the way, and its history."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from pipeline_steps.core import workers
from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.processes import first
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.rng import PartRng, rng
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import ImageSet, load_image_set
from pipeline_steps.defenses import snapshots
from pipeline_steps.defenses.companion import own_parameters, tutor_of
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.recipe import build_recipe, prepared
from pipeline_steps.defenses.spec import DefenseSpec, Schedule
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.manifolds.manifold_set import NOTHING, Projected, load_projected
from pipeline_steps.threats.batch import Batch


def train_defense(
    spec: DefenseSpec,
    data: ImageSet,
    generators: Mapping[str, Any],
    scratch: Path,
    device: torch.device,
    projected: Projected = NOTHING,
) -> tuple[nn.Module, list[float]]:
    """The trained network, and the mean loss of each epoch."""
    schedule, seed = spec.schedule, spec.seed
    recipe = build_recipe(spec.recipe, generators)
    model = new_model(spec.architecture, seed).to(device)
    optimiser = torch.optim.SGD(
        own_parameters(model),
        lr=schedule.learning_rate,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=schedule.nesterov,
    )
    course = Course(data, schedule, seed)
    loss_of = workers.shared(model, recipe.loss)
    tutor = tutor_of(model, recipe, schedule)
    epoch_losses: list[float] = []
    losses: list[float] = []
    parts: dict[str, Any] = {
        "model": model,
        "optimiser": optimiser,
        "epoch_losses": epoch_losses,
        "losses": losses,
    }
    if tutor:
        parts["tutor"] = tutor
    kept = snapshots.kept_epochs(schedule.epochs, spec.snapshots)

    for done, meter in Resume(scratch).steps(parts, course.steps, spec.name):
        epoch, step = divmod(done, course.steps_of_epoch)
        if epoch != course.epoch:
            data.expect(course.rest(epoch, step))
        rows, shift = course.rows(epoch, step), rng(seed, "augment", epoch, step)
        rows = rows.to(device)
        images, labels, moves = data.augmented(rows, spec.augmentation, shift)
        draw = rng(seed, "recipe", epoch, step, device=device)
        batch = Batch(images, labels, projected=projected.of(rows), moves=moves)
        batch = prepared(recipe, batch, draw)
        own = workers.share(len(images))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(schedule, epoch)
        model.train()
        loss = loss_of(batch.take(own), PartRng(draw, len(images), own))
        losses.append(finite(loss, epoch, step, schedule))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if tutor:
            tutor.teach()

        if step + 1 == course.steps_of_epoch:
            epoch_losses.append(sum(losses) / len(losses))
            losses.clear()
            meter.show(epoch=epoch + 1, loss=epoch_losses[-1])
            if epoch + 1 in kept and first():
                snapshots.keep(model, scratch, epoch + 1)
    return model.eval(), epoch_losses


class Course:
    """Which images each step of a training run sees, from the names of the steps."""

    def __init__(self, data: ImageSet, schedule: Schedule, seed: int) -> None:
        self.count, self.batch, self.seed = len(data), schedule.batch, seed
        self.steps_of_epoch = max(self.count // self.batch, 1)
        self.steps = self.steps_of_epoch * schedule.epochs
        self.epoch, self.order = -1, torch.empty(0)

    def rows(self, epoch: int, step: int) -> torch.Tensor:
        """Whole batches in an order of the epoch's own; a rest of a batch is left out."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = rng(self.seed, "order", epoch).permutation(self.count)
        return self.order[step * self.batch : (step + 1) * self.batch]

    def rest(self, epoch: int, step: int) -> list[torch.Tensor]:
        """The rows of all steps that are left of an epoch."""
        return [self.rows(epoch, later) for later in range(step, self.steps_of_epoch)]


def learning_rate(schedule: Schedule, epoch: int) -> float:
    passed = sum(epoch >= drop for drop in schedule.drops)
    return schedule.learning_rate * schedule.factor**passed


def finite(loss: torch.Tensor, epoch: int, step: int, schedule: Schedule) -> float:
    """The loss as a number, which ends the run where it is none."""
    number = workers.mean(loss.item())
    if not math.isfinite(number):
        raise PipelineError(
            f"the loss is {number} in epoch {epoch + 1}, step {step + 1}; lower the "
            f"learning rate ({schedule.learning_rate}) in workflow/config/defenses.yaml"
        )
    return number


def main(job: Job[DefenseSpec]) -> dict[str, Any]:
    device = prepare_device()
    workers.join(device)
    weights = job.all_verified("generators", "weights")
    generators = load_generators(job.spec.model_dump(), weights, device)
    data = load_image_set(
        job.verified("images", "train_images"),
        job.verified("labels", "train_labels"),
        device,
    )
    latents = job.all_verified("latents", "latents")
    projected = load_projected(generators, latents, len(data))
    model, losses = train_defense(
        job.spec, data, generators, job.scratch, device, projected
    )
    if not workers.part():
        return {}
    write_tensors(job.output("weights"), model.state_dict())
    snapshots.gather(job.scratch, job.output("snapshots"))
    history = pd.DataFrame({"epoch": range(1, len(losses) + 1), "loss": losses})
    history.to_csv(job.output("history"), index=False, float_format="%.6g")
    parameters = sum(p.numel() for p in own_parameters(model))
    return {"loss": losses[-1], "parameters": parameters}


if __name__ == "__main__":
    run("defenses.train_defense", DefenseSpec, main)
