"""Verdicts: the defense's answer for each test image under one threat."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline_steps.core.batch_fitting import BatchFitter
from pipeline_steps.core.device import tf32
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import counted
from pipeline_steps.core.rng import image_rng
from pipeline_steps.core.settings import Compiled, Precision
from pipeline_steps.core.tables import Table, stacked
from pipeline_steps.datasets.loader import ImageSet, check_range
from pipeline_steps.evaluation.fast_model import victim_of
from pipeline_steps.evaluation.probe import PROBED
from pipeline_steps.manifolds.manifold_set import NOTHING, Projected
from pipeline_steps.manifolds.perceptual import Perceptual
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.frozen import logits_of
from pipeline_steps.threats.objectives.margin import margins
from pipeline_steps.threats.threat import Threat


@dataclass(frozen=True)
class Judged:
    """A batch before and after the attack, and the defense's answers to it."""

    rows: range
    """The indices of its images in the data set."""
    original: Tensor
    attacked: Attacked
    labels: Tensor
    logits: Tensor
    same_when_asked_twice: bool
    perceptual: Tensor | None = None
    """How large each edit looks to a network."""

    @property
    def edited(self) -> Tensor:
        return self.attacked.images

    def columns(self) -> dict[str, Tensor]:
        """One value for each image; the margin is above 0 where the defense is right."""
        edit = (self.edited - self.original).flatten(1)
        prediction = self.logits.argmax(dim=1)
        columns = {
            "image": torch.arange(self.rows.start, self.rows.stop),
            "label": self.labels.short(),
            "prediction": prediction.short(),
            "margin": -margins(self.logits, self.labels),
            "correct": prediction == self.labels,
            "linf": edit.abs().amax(dim=1),
            "l2": edit.norm(dim=1),
            "used": self.attacked.used.int(),
        }
        if self.perceptual is not None:
            columns["perceptual"] = self.perceptual
        if self.attacked.broken_by is not None:
            columns["broken_by"] = self.attacked.broken_by.char()
        return {name: column.cpu() for name, column in columns.items()}

    def table(self) -> Table:
        """One row for each image."""
        return as_table(self.columns(), self.attacked.parts)


def joined(parts: Sequence[Judged]) -> Judged:
    """Joins the pieces in which a batch was judged."""
    first = parts[0]
    blame = [p.attacked.broken_by for p in parts if p.attacked.broken_by is not None]
    sizes = [p.perceptual for p in parts if p.perceptual is not None]
    flows = [p.attacked.flow for p in parts if p.attacked.flow is not None]
    attacked = Attacked(
        torch.cat([part.attacked.images for part in parts]),
        torch.cat([part.attacked.used for part in parts]),
        torch.cat(blame) if blame else None,
        first.attacked.parts,
        torch.cat(flows) if flows else None,
    )
    return Judged(
        range(first.rows.start, parts[-1].rows.stop),
        torch.cat([part.original for part in parts]),
        attacked,
        torch.cat([part.labels for part in parts]),
        torch.cat([part.logits for part in parts]),
        all(part.same_when_asked_twice for part in parts),
        torch.cat(sizes) if sizes else None,
    )


def as_table(columns: Mapping[str, Tensor], parts: Sequence[str]) -> Table:
    """Columns as a table, with the parts of an attack by name."""
    table = {name: column.numpy() for name, column in columns.items()}
    if "broken_by" in table:
        names = np.array([*parts, "none"], dtype=object)
        table["broken_by"] = names[table["broken_by"]]
    return table


@dataclass
class Judge:
    """Attacks images batch by batch; every image has random numbers of its own."""

    model: nn.Module
    data: ImageSet
    threat: Threat
    seed: int
    precision: Precision = "float32"
    projected: Projected = NOTHING
    perceptual: Perceptual | None = None
    compiled: Compiled = False

    def __post_init__(self) -> None:
        # The same images for every shard, so that all shards fold the network or none
        # does.
        first, _ = self.probed
        whole = self.threat.attack.keeps_batches
        compiled = self.compiled if whole else bool(self.compiled)
        self.victim = victim_of(self.model, first, self.precision, compiled)
        self.room = BatchFitter()

    @property
    def probed(self) -> tuple[Tensor, Tensor]:
        """The first images and their labels, for a probe."""
        return self.data[self._numbers(range(min(PROBED, len(self.data))))]

    def __call__(self, rows: range) -> Judged:
        return joined(self.room.each(rows, self._judge))

    def _judge(self, rows: range) -> Judged:
        numbers = self._numbers(rows)
        images, labels = self.data[numbers]
        raw = self.data.raw or self.projected.raw
        if not raw:
            check_range(images, "test images")
        batch = Batch(
            images, labels, projected=self.projected.of(numbers, images.device)
        )
        draw = image_rng(self.seed, rows, "attack", device=images.device)
        with self.victim.frozen():
            with tf32(self.precision == "tf32"):
                attacked = self.threat.against(self.victim, batch, draw)
            if not raw:
                check_range(attacked.images, "attacked images")
            logits = logits_of(self.model, attacked.images)
            again = logits_of(self.model, attacked.images)
        same = bool((logits == again).all())
        size = None
        if self.perceptual:
            with torch.no_grad():
                size = self.perceptual(attacked.images, images)
        return Judged(rows, images, attacked, labels, logits, same, size)

    def _numbers(self, rows: range) -> Tensor:
        return torch.arange(rows.start, rows.stop)


def judge(
    model: nn.Module,
    data: ImageSet,
    threat: Threat,
    batches: Sequence[range],
    seed: int,
    precision: Precision = "float32",
) -> Iterator[Judged]:
    """Concatenates batches."""
    judge_batch = Judge(model, data, threat, seed, precision)
    for i, _ in counted("batches", len(batches)):
        yield judge_batch(batches[i])


class VerdictLog:
    """The verdicts so far, saved so that a killed job can resume."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []

    def add(self, judged: Judged, kept: int) -> None:
        self.batches.append(
            {
                "columns": judged.columns(),
                "parts": list(judged.attacked.parts),
                "examples": examples(judged, kept),
                "same": judged.same_when_asked_twice,
            }
        )

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.batches = list(state["batches"])

    def table(self) -> Table:
        return stacked([as_table(b["columns"], b["parts"]) for b in self.batches])

    def examples(self) -> dict[str, Tensor]:
        every = [batch["examples"] for batch in self.batches]
        return {name: torch.cat([part[name] for part in every]) for name in every[0]}

    @property
    def same_when_asked_twice(self) -> bool:
        return all(batch["same"] for batch in self.batches)


def examples(judged: Judged, kept: int) -> dict[str, Tensor]:
    """The first images before and after the attack, for pictures."""
    whole = {
        "original": judged.original,
        "edited": judged.edited,
        "label": judged.labels,
        "prediction": judged.logits.argmax(dim=1),
    }
    if judged.attacked.flow is not None:
        whole["flow"] = judged.attacked.flow
    count = max(0, kept - judged.rows.start)
    return {name: tensor[:count].cpu() for name, tensor in whole.items()}


def worst_case(tables: Sequence[Table]) -> np.ndarray:
    """For each image whether the defense is right under every one of the threats."""
    if not tables:
        raise PipelineError("a worst case needs the verdicts under one threat or more")
    for table in tables[1:]:
        if not np.array_equal(table["image"], tables[0]["image"]):
            raise PipelineError(
                "a worst case needs verdicts on the same images; build them again at one "
                "scale"
            )
    right: np.ndarray = np.logical_and.reduce([table["correct"] for table in tables])
    return right
