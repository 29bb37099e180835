"""Train a defense: its weights, the weights kept on the way, and its history."""

import math
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline_steps.core import workers
from pipeline_steps.core.device import prepare_device, tf32
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.lines import write_lines
from pipeline_steps.core.processes import first
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.rng import PartRng, rng
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import ImageSet, load_image_set
from pipeline_steps.defenses import snapshots
from pipeline_steps.defenses.averaging import Average
from pipeline_steps.defenses.companion import own_parameters
from pipeline_steps.defenses.load import new_model, with_weights
from pipeline_steps.defenses.monitor import Monitor
from pipeline_steps.defenses.passes import compile_passes, compute_in
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.defenses.schedules import kept_epochs, learning_rate
from pipeline_steps.defenses.spec import DefenseSpec, MonitorSpec, Schedule
from pipeline_steps.defenses.tutor import tutor_of
from pipeline_steps.generators.generator import Generator, load_generators
from pipeline_steps.manifolds.manifold_set import NOTHING, Projected, load_projected
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.threat import Threat

EPOCHS_ENDS = "ends of epochs"


def train_defense(
    spec: DefenseSpec,
    data: ImageSet,
    generators: Mapping[str, Generator],
    scratch: Path,
    device: torch.device,
    projected: Projected = NOTHING,
    monitor: Monitor | None = None,
) -> tuple[nn.Module, list[float]]:
    """The trained network, and the mean loss of each epoch."""
    schedule, seed = spec.schedule, spec.seed
    recipe = build_recipe(spec.recipe, generators)
    model = new_model(spec.architecture, seed).to(device)
    average = Average(model, schedule.ema) if schedule.ema else None
    learned = average.model if average else model
    compute_in(model, schedule.precision)
    optimiser = torch.optim.SGD(
        own_parameters(model),
        lr=learning_rate(schedule, 0),
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=schedule.nesterov,
    )
    batch_order = BatchOrder(data, schedule, seed, spec.monitor, spec.steps)
    loss_of = workers.shared(model, recipe.loss)
    tutor = tutor_of(model, recipe, schedule)
    if schedule.compiled:
        threats = [part for part in vars(recipe).values() if isinstance(part, Threat)]
        whole = all(threat.attack.keeps_batches for threat in threats)
        graphs = schedule.compiled == "graphs" and whole
        compile_passes(model, data[batch_order.rows(0, 0)][0], graphs)
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
    if average:
        parts["average"] = average.model
    if monitor:
        parts["monitor"] = monitor
    kept = batch_order.kept_epochs(spec.snapshots)

    for done, meter in Resume(scratch).steps(parts, batch_order.steps, spec.name):
        epoch, step = divmod(done, batch_order.steps_of_epoch)
        if epoch != batch_order.epoch:
            data.expect(batch_order.rest(epoch, step))
        rows, shift = batch_order.rows(epoch, step), rng(seed, "augment", epoch, step)
        images, labels, moves = data.augmented(rows, spec.augmentation, shift)
        draw = rng(seed, "recipe", epoch, step, device=device)
        batch = Batch(images, labels, projected=projected.of(rows, device), moves=moves)
        batch = recipe.prepare(batch, draw)
        own = workers.share(len(images))
        share = (step + 1) / batch_order.steps_of_epoch
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(schedule, epoch, share)
        model.train()
        loss = loss_of(batch.take(own), PartRng(draw, len(images), own))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        when = f"epoch {epoch + 1}, step {step + 1}"
        losses.append(guarded(loss, model, schedule, when))
        optimiser.step()
        if tutor:
            tutor.teach()
        if average:
            average.follow(model, done)

        if not batch_order.ends_epoch(done):
            continue
        with meter.watch.apart(EPOCHS_ENDS):
            epoch_losses.append(sum(losses) / len(losses))
            losses.clear()
            meter.show(epoch=epoch + 1, loss=epoch_losses[-1])
            if monitor and ((epoch + 1) % monitor.spec.every == 0 or spec.steps):
                meter.show(**monitor.look(learned, epoch + 1))
            if epoch + 1 in kept and first():
                snapshots.keep(learned, scratch, epoch + 1)
    # A fresh network: the trained one may have another precision, or be wrapped.
    trained = with_weights(spec.architecture, learned.state_dict(), spec.name)
    return trained.to(device), epoch_losses


class BatchOrder:
    """Which images each step of a training run sees, from the names of the steps."""

    def __init__(
        self,
        data: Sized,
        schedule: Schedule,
        seed: int,
        monitor: MonitorSpec | None = None,
        limit: int | None = None,
    ) -> None:
        held_out = monitor.images if monitor and monitor.of == "held_out" else 0
        if held_out >= len(data):
            raise PipelineError(
                f"the monitor holds out {held_out} images, but there are only "
                f"{len(data)} to train on; lower its `images` in "
                "workflow/config/defenses.yaml"
            )
        self.count, self.batch, self.seed = len(data) - held_out, schedule.batch, seed
        self.steps_of_epoch = max(self.count // self.batch, 1)
        self.limit, whole = limit, self.steps_of_epoch * schedule.epochs
        self.steps = min(whole, limit or whole)
        self.epochs = math.ceil(self.steps / self.steps_of_epoch)
        self.epoch, self.order = -1, torch.empty(0)

    def rows(self, epoch: int, step: int) -> torch.Tensor:
        """Full batches in a random order for each epoch; an incomplete last batch is
        dropped."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = rng(self.seed, "order", epoch).permutation(self.count)
        return self.order[step * self.batch : (step + 1) * self.batch]

    def ends_epoch(self, step: int) -> bool:
        """Whether a step, counted from the first of all, is the last of its epoch."""
        return (step + 1) % self.steps_of_epoch == 0 or step + 1 == self.steps

    def kept_epochs(self, wanted: int | list[int]) -> set[int]:
        """The epochs whose weights are kept; a run with a limit keeps those of its end."""
        if self.limit:
            return {self.epochs} if wanted else set()
        return kept_epochs(self.epochs, wanted)

    def rest(self, epoch: int, step: int) -> list[torch.Tensor]:
        """The rows of the epoch's remaining steps."""
        return [self.rows(epoch, later) for later in range(step, self.steps_of_epoch)]


def guarded(
    loss: torch.Tensor, model: nn.Module, schedule: Schedule, when: str
) -> float:
    """The loss as a number, after a check that its gradient is finite."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    number, length = torch.stack([loss.detach().float(), norm.float()]).tolist()
    number = workers.mean(number)
    for what, value in (("loss", number), ("gradient's norm", length)):
        if not math.isfinite(value):
            raise PipelineError(
                f"the {what} is {value} in {when}; lower the learning rate of its schedule "
                "in workflow/config/defenses.yaml, or set its `norm_limit`"
            )
    if schedule.norm_limit:
        limit = schedule.norm_limit
        torch.nn.utils.clip_grads_with_norm_(model.parameters(), limit, norm)
    return number


def watching(
    job: Job[DefenseSpec],
    data: ImageSet,
    generators: Mapping[str, Generator],
    projected: Projected,
    device: torch.device,
) -> Monitor | None:
    spec = job.spec.monitor
    if spec is None:
        return None
    threat = build_threat(ThreatSpec(**spec.threat), generators)
    if spec.of == "test":
        data = load_image_set(
            job.verified("test_images", "test_images"),
            job.verified("test_labels", "test_labels"),
            device,
            spec.images,
        )
        projected = NOTHING
    batch, seed = job.spec.schedule.batch, job.spec.seed
    return Monitor(spec, threat, data, batch, seed, projected)


def write_history(path: Path, losses: list[float], monitor: Monitor | None) -> None:
    """One line for each epoch, with accuracies where the monitor ran."""
    columns = ["epoch", "loss", *(("clean", "robust") if monitor else ())]
    seen = monitor.lines() if monitor else {}
    lines: list[dict[str, Any]] = []
    for epoch, loss in enumerate(losses, 1):
        numbers = {"loss": loss, **seen.get(epoch, {})}
        texts = {name: f"{value:.6g}" for name, value in numbers.items()}
        lines.append({"epoch": epoch, **texts})
    write_lines(path, columns, lines)


def main(job: Job[DefenseSpec]) -> dict[str, Any]:
    device = prepare_device(job.spec.deterministic)
    workers.join(device)
    weights = job.all_verified("generators", "weights")
    generators = load_generators(job.spec.model_dump(), weights, device)
    data = load_image_set(
        job.verified("images", "train_images"),
        job.verified("labels", "train_labels"),
        device,
        job.spec.images,
    )
    latents = job.all_verified("latents", "latents")
    projected = load_projected(generators, latents, len(data))
    monitor = watching(job, data, generators, projected, device)
    with tf32(job.spec.schedule.precision == "tf32"):
        model, losses = train_defense(
            job.spec, data, generators, job.scratch, device, projected, monitor
        )
    if not workers.part():
        return {}
    write_tensors(job.output("weights"), model.state_dict())
    best = monitor.best if monitor else {}
    snapshots.gather(job.scratch, job.output("snapshots"), best)
    write_history(job.output("history"), losses, monitor)
    parameters = sum(p.numel() for p in own_parameters(model))
    return {"loss": losses[-1], "parameters": parameters}


if __name__ == "__main__":
    run("defenses.train_defense", DefenseSpec, main)
