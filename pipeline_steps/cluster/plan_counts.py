"""How much work the jobs of a plan have: operations, and units such as steps and
batches.

Counted operations are kept, because counting all jobs of a large scale takes minutes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_steps.cluster.plan_jobs import PlannedJob
from pipeline_steps.config.schema import Config
from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.digest import code, spec_text, text_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, write_json
from pipeline_steps.core.progress import say
from pipeline_steps.jobs.names import base, corruption
from pipeline_steps.layout import plan_folder

if TYPE_CHECKING:
    from pipeline_steps.cluster.work import Work

COUNTED = (
    "train_flow",
    "train_gan",
    "train_defense",
    "attack_defense",
    "attack_snapshots",
    "project_dataset",
)
"""The steps whose work is counted, by what `cluster/work.py` says of them."""


@dataclass
class Counter:
    """Counts a job's work, with the sizes of the data sets and the jobs before."""

    jobs: Sequence[PlannedJob]
    config: Config
    root: Path

    @property
    def file(self) -> Path:
        return self.root / plan_folder(self.config.name) / "operations.json"

    @cached_property
    def known(self) -> dict[str, float]:
        """Counts by everything that they depend on, including those of the last
        plan."""
        return read_json(self.file) if self.file.is_file() else {}

    def keep(self) -> None:
        if self.known:
            write_json(self.file, self.known)

    def before(self, job: PlannedJob) -> list[PlannedJob]:
        return [self.jobs[number] for number in job.needs]

    def question(self, job: PlannedJob, spec: Mapping[str, Any]) -> str:
        """What two jobs of a step share if they have the same work; known without
        counting."""
        try:
            sizes = self._sizes(job) if job.step in COUNTED else ()
        except PipelineError:
            sizes = ()
        kept = [
            [before.get("steps"), before["snapshots"], before["schedule"]["epochs"]]
            for before in self._trained(job)
        ]
        return spec_text([spec, sizes, kept])

    def count(self, job: PlannedJob, spec: Mapping[str, Any]) -> float | None:
        """The job's operations; `None` if none of them count, or it can't run on a fake
        batch."""
        if job.step not in COUNTED:
            return None
        try:
            return self._count(job, spec)
        except Exception as error:  # a new threat or recipe may raise anything
            why = next(iter(str(error).splitlines()), type(error).__name__)
            say(f"{job.step} {job.name} is not counted: {why}")
            return None

    def units(self, job: PlannedJob) -> dict[str, float] | None:
        """How many units of work the job has, by the names that records give them.

        Nothing where its step has none, or where the size of its data isn't known.
        """
        if job.step not in COUNTED:
            return None
        try:
            return self._work(job, job.spec).units()
        except PipelineError as error:
            say(f"the steps of {job.step} {job.name} are not counted: {error}")
            return None

    def _work(self, job: PlannedJob, spec: Mapping[str, Any]) -> "Work":
        # Imported here, because it imports torch, which a plan from records doesn't
        # need.
        from pipeline_steps.cluster.work import Work

        before = next(self._trained(job), {})
        return Work(job.step, spec, *self._sizes(job), before)

    def _trained(self, job: PlannedJob) -> Iterator[Mapping[str, Any]]:
        """The specs of the trainings on whose weights a job works."""
        return (o.spec for o in self.before(job) if "snapshots" in o.spec)

    def _sizes(self, job: PlannedJob) -> tuple[int, int]:
        """How many images it takes, for training and for testing."""
        return self._images(job, "train"), self._images(job, "test")

    def _count(self, job: PlannedJob, spec: Mapping[str, Any]) -> float:
        work = self._work(job, spec)
        parts = (work.step, work.spec, work.train, work.test, work.before)
        key = text_digest(spec_text([*parts, code("cluster.work", spec).digest]))
        if key not in self.known:
            self.known[key] = work.operations()
        return self.known[key]

    def _images(self, job: PlannedJob, split: str) -> int:
        """How many images of a split the job takes."""
        name = job.spec["dataset"]["name"]
        bad = corruption(name) if split == "test" else ""
        ending = f"/corruptions/{bad}.images.npy" if bad else f"/{split}.images.npy"
        path = next((file for file in job.inputs if file.endswith(ending)), None)
        if path is None:
            return 0
        if (self.root / path).is_file():
            return len(read_array(self.root / path))
        name = base(name)
        stated: int | None = getattr(self.config.datasets[name], f"{split}_images")
        if stated is None:
            raise PipelineError(
                f"{path} is not built, and `{split}_images` of {name} is not stated in "
                "workflow/config/datasets.yaml"
            )
        if not bad:
            return stated
        # Imported here, because it imports torch, which most plans don't need.
        from pipeline_steps.datasets.corruption import SEVERITIES

        return stated * len(SEVERITIES)
