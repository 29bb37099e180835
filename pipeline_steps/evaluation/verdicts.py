"""Verdicts: for each test image under one threat, what the defense said of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from pipeline_steps.core.progress import counted
from pipeline_steps.core.rng import image_rng
from pipeline_steps.datasets.loader import ImageSet, check_range
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import Threat


@dataclass(frozen=True)
class Judged:
    """A batch before and after the attack, and the defense's answers to it."""

    rows: range
    """Where its images lie in the data set."""
    original: Tensor
    edited: Tensor
    labels: Tensor
    logits: Tensor
    same_when_asked_twice: bool

    def table(self) -> pd.DataFrame:
        """One row an image."""
        edit = (self.edited - self.original).flatten(1)
        prediction = self.logits.argmax(dim=1)
        true = self.logits.gather(1, self.labels[:, None]).squeeze(1)
        others = self.logits.scatter(1, self.labels[:, None], -torch.inf)
        return pd.DataFrame(
            {
                "image": self.rows,
                "label": self.labels.cpu().numpy().astype("int16"),
                "prediction": prediction.cpu().numpy().astype("int16"),
                "margin": (true - others.amax(dim=1)).cpu().numpy(),
                "correct": (prediction == self.labels).cpu().numpy(),
                "linf": edit.abs().amax(dim=1).cpu().numpy(),
                "l2": edit.norm(dim=1).cpu().numpy(),
            }
        )


def judge(
    model: nn.Module,
    data: ImageSet,
    threat: Threat,
    batches: Sequence[range],
    seed: int,
) -> Iterator[Judged]:
    """Attacks the images batch by batch; every image has a random start of its own."""
    device = data.labels.device
    for i, _ in counted("batches", len(batches)):
        rows = batches[i]
        images, labels = data[torch.arange(rows.start, rows.stop, device=device)]
        draw = image_rng(seed, rows, "attack", device=device)
        edited = threat(model, Batch(images, labels), draw)
        check_range(edited, "attacked images")
        with torch.no_grad():
            logits, again = model(edited), model(edited)
        same = bool((logits == again).all())
        yield Judged(rows, images, edited, labels, logits, same)
