"""Trains a GAN against its discriminator on a data set, and measures its images."""

import copy
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline_steps.core import workers
from pipeline_steps.core.device import prepare_device, sent
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256, writing
from pipeline_steps.core.progress import say
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.rng import PartRng, Rng, rng
from pipeline_steps.core.step import Job, run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import ImageSet, load_image_set
from pipeline_steps.generators.adversarial import discriminator_loss, generator_loss
from pipeline_steps.generators.generator import ApproximateGenerator, build_gan
from pipeline_steps.generators.judging import Judge
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanSpec
from pipeline_steps.generators.stages import GrowthSchedule, Moment

COLUMNS = ("step", "images", "size", "generator", "discriminator", "frechet_distance")
JUDGINGS = "judgings"


class Gan:
    """Generator, discriminator and their optimisers during training."""

    def __init__(self, spec: GanSpec, device: torch.device) -> None:
        self.spec, self.training, self.device = spec, spec.training, device
        self.generator = build_gan(spec.model)
        self.discriminator = self.generator.discriminator()
        self.generator.draw_weights(rng(spec.seed, "gan", "generator"))
        self.discriminator.draw_weights(rng(spec.seed, "gan", "discriminator"))
        for network in (self.generator, self.discriminator):
            network.to(device).train()
        self.kept = self.generator
        if self.training.average:
            self.kept = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.optimisers = [
            torch.optim.Adam(
                network.parameters(),
                lr=self.training.learning_rate,
                betas=(0.0, self.training.second_moment),
                eps=1e-8,
            )
            for network in (self.generator, self.discriminator)
        ]
        self.generator_loss = workers.shared(self.generator, generator_loss)
        self.discriminator_loss = workers.shared(self.discriminator, discriminator_loss)

    def parts(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        averaged = {"average": self.kept} if self.training.average else {}
        return averaged | {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimiser": self.optimisers[0],
            "discriminator_optimiser": self.optimisers[1],
        }

    def step(
        self, images: ImageSet, step: int, moment: Moment, fall: float
    ) -> list[float]:
        """Takes the discriminator's steps, then the generator's; returns their
        losses."""
        for optimiser in self.optimisers:
            # As in the official code: when a resolution begins to fade in, and when it
            # is done.
            if moment.opens:
                optimiser.state.clear()
            for group in optimiser.param_groups:
                group["lr"] = fall * moment.stage.learning_rate
        turns = range(self.training.critics)
        losses = [self._judge(images, step, turn, moment) for turn in turns]
        losses.append(self._make(step, moment))
        # Read at the end of the step, when the GPU already has all of its work queued.
        *judged, made = torch.stack(losses).tolist()
        means = [self._mean("discriminator", loss, step) for loss in judged]
        return [self._mean("generator", made, step), means[-1]]

    def _judge(self, images: ImageSet, step: int, turn: int, moment: Moment) -> Tensor:
        batch = moment.stage.batch
        draw = rng(self.spec.seed, "gan", "real", step, turn)
        rows = draw.integers(0, len(images), [batch])[workers.share(batch)]
        mirrored = draw.uniform([batch])[workers.share(batch)] < 0.5
        real, _ = images[rows]
        if self.spec.mirror:
            real = torch.where(
                sent(mirrored, self.device)[:, None, None, None], real.flip(3), real
            )
        with torch.no_grad(), self._precision():
            fake = self._imagine(batch, moment, "fake", step, turn)
        with self._precision():
            loss = self.discriminator_loss(
                moment.growth.reals(real), fake, moment.growth, self.training
            )
        return self._learn(1, loss)

    def _make(self, step: int, moment: Moment) -> Tensor:
        self.discriminator.requires_grad_(False)
        own, draw = self._own(moment.stage.batch, "make", step)
        with self._precision():
            loss = self.generator_loss(
                self.discriminator, own, draw, moment.growth, self.training
            )
        loss = self._learn(0, loss)
        self.discriminator.requires_grad_(True)
        if self.training.average:
            self._average(moment.stage.batch)
        return loss

    def _imagine(self, batch: int, moment: Moment, *labels: str | int) -> Tensor:
        own, draw = self._own(batch, *labels)
        images: Tensor = self.generator.imagine(
            own, draw, moment.growth, self.training.mixing
        )
        return images

    def _own(self, batch: int, *labels: str | int) -> tuple[int, Rng]:
        """How many images of a batch are this process's, and what they draw from."""
        rows = workers.share(batch)
        draw = rng(self.spec.seed, "gan", *labels, device=self.device)
        return rows.stop - rows.start, PartRng(draw, batch, rows)

    def _learn(self, which: int, loss: Tensor) -> Tensor:
        self.optimisers[which].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[which].step()
        return loss.detach().float()

    def _mean(self, whose: str, loss: float, step: int) -> float:
        """The mean loss of all processes; refuses NaN and infinity."""
        mean = workers.mean(loss)
        if not math.isfinite(mean):
            raise PipelineError(
                f"the {whose}'s loss became {mean} at step {step + 1}; lower the "
                f"learning_rate ({self.training.learning_rate:g}) of this generator in "
                "workflow/config/generators.yaml"
            )
        return mean

    @torch.no_grad()
    def _average(self, batch: int) -> None:
        remembered = 0.5 ** (batch / self.training.average)
        pairs = zip(self.kept.parameters(), self.generator.parameters(), strict=True)
        for kept, now in pairs:
            kept.lerp_(now, 1 - remembered)

    def _precision(self) -> torch.autocast:
        mixed = self.training.precision == "mixed" and self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)


def train_gan(
    spec: GanSpec, data: ImageSet, judge: Judge, scratch: Path, device: torch.device
) -> tuple[ApproximateGenerator, list[list[float]]]:
    """The trained generator, and a row of numbers for each time that it was judged."""
    gan, size = Gan(spec, device), spec.dataset.size
    growth_schedule = GrowthSchedule(spec.training, size, spec.steps)
    rows: list[list[float]] = []
    losses: list[float] = []
    parts = gan.parts() | {"judge": judge, "rows": rows, "losses": losses}
    judged = judged_steps(growth_schedule.steps, times_judged(spec))
    for step, meter in Resume(scratch).steps(parts, growth_schedule.steps, "gan"):
        moment = growth_schedule.at(step)
        meter.unit = moment.stage.unit
        fall = 1 - step / growth_schedule.steps if spec.training.fall else 1.0
        losses.extend(gan.step(data, step, moment, fall))
        if step + 1 not in judged:
            continue
        with meter.watch.apart(JUDGINGS):
            rows.append(
                [
                    step + 1,
                    growth_schedule.images(step + 1),
                    moment.stage.size,
                    sum(losses[::2]) / len(losses[::2]),
                    sum(losses[1::2]) / len(losses[1::2]),
                    measured(gan.kept, judge, moment.growth, step, spec.seed),
                ]
            )
            losses.clear()
            meter.show(**dict(zip(COLUMNS[1:], rows[-1][1:], strict=True)))
    return gan.kept.eval(), rows


def times_judged(spec: GanSpec) -> int:
    """A run with a limit is judged twice, because the first time also trains the
    classifier."""
    times = spec.training.judge.times
    return min(times, 2) if spec.steps else times


def judged_steps(steps: int, times: int) -> set[int]:
    return {math.ceil(steps * n / times) for n in range(1, times + 1)}


def measured(
    generator: ApproximateGenerator, judge: Judge, growth: Growth, step: int, seed: int
) -> float:
    """The Fréchet distance of the weights that would be kept now."""
    training = generator.training
    generator.eval()
    generator.settle(rng(seed, "gan", "settle", step, device=judge.device))
    distance = judge.distance(generator, growth, step)
    generator.train(training)
    return distance


def write_history(path: Path, rows: list[list[float]]) -> None:
    lines = [",".join(COLUMNS), *(",".join(map(repr, row)) for row in rows)]
    with writing(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def inception_file(job: Job[GanSpec]) -> Path | None:
    """Inception's weights, checked against the config's checksum, if the config names
    them."""
    paths = job.inputs.get("inception", [])
    if not (job.spec.inception and paths):
        return None
    digest = f"sha256:{sha256(paths[0])}"
    if digest != job.spec.inception:
        raise PipelineError(
            f"{paths[0]} has the checksum {digest}, not {job.spec.inception}; correct "
            "'inception' in workflow/config/generators.yaml, or fetch the file again"
        )
    return paths[0]


def main(job: Job[GanSpec]) -> dict[str, Any]:
    device = prepare_device()
    workers.join(device)
    data = load_image_set(
        job.verified("data", "train_images"),
        job.verified("labels", "train_labels"),
        device,
    )
    judge = Judge(job.spec, data, inception_file(job))
    model, rows = train_gan(job.spec, data, judge, job.scratch, device)
    if not workers.part():
        return {}
    distance = rows[-1][-1]
    say(f"Fréchet distance {distance:.3f} by the features of {judge.features}")
    write_tensors(job.output("weights"), model.state_dict())
    write_history(job.output("history"), rows)
    return {
        "frechet_distance": distance,
        "frechet_features": judge.features,
        "frechet_images": judge.count,
        "parameters": sum(p.numel() for p in model.parameters()),
        "latent_dimensions": model.dimensions,
    }


if __name__ == "__main__":
    run("generators.train_gan", GanSpec, main)
