"""Clean and attacked accuracy during training, and the best epoch so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.core.processes import first
from pipeline_steps.core.rng import image_rng
from pipeline_steps.core.shards import cut
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.defenses.spec import MonitorSpec
from pipeline_steps.manifolds.manifold_set import NOTHING, Projected
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import frozen, logits_of
from pipeline_steps.threats.threat import Threat


@dataclass
class Monitor:
    """Evaluates a network every few epochs, without changing it."""

    spec: MonitorSpec
    threat: Threat
    data: ImageSet
    batch: int
    seed: int
    projected: Projected = NOTHING
    seen: list[list[float]] = field(default_factory=list)
    """Epoch, clean accuracy and attacked accuracy of each evaluation."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """The most robust weights; of several processes only the first has them."""

    @property
    def rows(self) -> range:
        """Its images: the last training images, which nothing learns from, or test
        images."""
        count = min(self.spec.images, len(self.data))
        if self.spec.of == "test":
            return range(count)
        return range(len(self.data) - count, len(self.data))

    def look(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """The accuracies; the weights are kept if none before were more robust."""
        right = [0, 0]
        for part in cut(len(self.rows), self.batch):
            numbers = self.rows[part.start : part.stop]
            rows = torch.tensor(numbers)
            images, labels = self.data[rows]
            draw = image_rng(self.seed, numbers, "monitor", device=images.device)
            with frozen(model):
                batch = Batch(
                    images, labels, projected=self.projected.of(rows, images.device)
                )
                attacked = self.threat(model, batch, draw)
                for i, shown in enumerate((images, attacked)):
                    right[i] += int((logits_of(model, shown).argmax(1) == labels).sum())
        clean, robust = (100 * count / len(self.rows) for count in right)
        if all(robust > before for *_, before in self.seen) and first():
            weights = model.state_dict().items()
            self.best = {
                name: tensor.detach().cpu().clone() for name, tensor in weights
            }
        self.seen.append([epoch, clean, robust])
        return {"clean": clean, "robust": robust}

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen, "best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = [list(row) for row in state["seen"]]
        self.best = dict(state["best"])

    def lines(self) -> dict[int, dict[str, float]]:
        """The accuracies, by epoch."""
        return {
            int(epoch): {"clean": clean, "robust": robust}
            for epoch, clean, robust in self.seen
        }
