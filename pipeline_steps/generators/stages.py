"""The stages of a GAN's training: each step's resolution, and how far it is faded
in."""

import math
from dataclasses import dataclass, replace

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanTraining


@dataclass(frozen=True)
class Stage:
    """Steps at one resolution that either all fade in its block or all come
    afterwards."""

    size: int
    steps: int
    batch: int
    learning_rate: float
    fading: bool

    @property
    def unit(self) -> str:
        """The name of its steps in a record."""
        return f"steps at {self.size} px{', fading' if self.fading else ''}"

    def growth(self, place: int) -> Growth:
        return Growth(self.size, place / self.steps if self.fading else 1.0)


@dataclass(frozen=True)
class Moment:
    """A step of the training."""

    stage: Stage
    growth: Growth
    opens: bool
    """Whether it is the first of its stage: of a resolution, or after its fading."""


class GrowthSchedule:
    """All steps of a training run, stage by stage; each may have a limit."""

    def __init__(
        self, training: GanTraining, size: int, limit: int | None = None
    ) -> None:
        self.stages = [
            replace(stage, steps=min(stage.steps, limit or stage.steps))
            for stage in stages(training, size)
        ]
        self.steps = sum(stage.steps for stage in self.stages)

    def at(self, step: int) -> Moment:
        for stage in self.stages:
            if step < stage.steps:
                return Moment(stage, stage.growth(step), opens=step == 0)
            step -= stage.steps
        raise IndexError(step)

    def images(self, steps: int) -> int:
        """How many images this number of steps uses."""
        taken = 0
        for stage in self.stages:
            now = min(steps, stage.steps)
            taken, steps = taken + now * stage.batch, steps - now
        return taken


def stages(training: GanTraining, size: int) -> list[Stage]:
    """Half of a resolution's images fade it in (docs/methods/generators.md#stylegan)."""
    first = min(training.grow_from or size, size)
    sizes = [first * 2**n for n in range(int(math.log2(size / first)) + 1)]
    growing = 2 * training.growth_images * (len(sizes) - 1)
    rest = training.images - growing
    if rest <= 0:
        raise PipelineError(
            f"growing to {size} pixels takes {growing} images in steps of "
            f"growth_images ({training.growth_images}), and the training has "
            f"{training.images}; raise images or lower growth_images in "
            "workflow/config/generators.yaml"
        )
    stages = []
    for now in sizes:
        batch, rate = training.batch, training.learning_rate
        for lower in training.lower:
            if lower.size == now:
                batch, rate = lower.batch, lower.learning_rate
        grown = rest if now == size else training.growth_images
        for images, fading in ((training.growth_images, True), (grown, False)):
            if images and not (fading and now == first):
                steps = math.ceil(images / batch)
                stages.append(Stage(now, steps, batch, rate, fading))
    return stages
