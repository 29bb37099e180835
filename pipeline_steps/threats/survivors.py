"""The images that a network still gets right while attacks of several parts go on."""

from dataclasses import replace

import torch
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.threats.batch import Attacked, Batch
from pipeline_steps.threats.victim import Victim


class Survivors:
    """The images of a batch that are left to break, and the results of the rest.

    Part 0 of every such attack is no edit: the network was wrong about the clean image. An
    image that no part breaks stays as it was.
    """

    def __init__(self, victim: Victim, batch: Batch, rng: Rng, *parts: str) -> None:
        self.whole, self.rng = batch, rng
        clean = Attacked.untouched(batch)
        logits = victim.logits_of(batch.images)
        wrong = victim.misclassified(batch.images, logits, batch.classes)
        self.attacked = replace(
            clean, broken_by=wrong.long() - 1, parts=("clean", *parts)
        )
        self.rows = (~wrong).nonzero().squeeze(1)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def batch(self) -> Batch:
        return self.whole.take(self.rows)

    @property
    def draws(self) -> Rng:
        return self.rng.take(self.rows)

    def after(
        self, images: Tensor, used: Tensor, broken: Tensor, part: int = 1
    ) -> None:
        """Records a part's results, and drops the images that it broke."""
        assert self.attacked.broken_by is not None
        self.attacked.used[self.rows] += used
        out = broken.nonzero().squeeze(1)
        gone = self.rows[out]
        self.attacked.images[gone] = images[out]
        self.attacked.broken_by[gone] = part
        self.rows = self.rows[~broken]


class Group:
    """Tensors with a row for each image that is still attacked; broken ones leave."""

    def __init__(self, images: Tensor, **state: Tensor) -> None:
        self.images = images.clone()
        self.used = torch.zeros(len(images), dtype=torch.long, device=images.device)
        self.broken = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        self.rows = torch.arange(len(images), device=images.device)
        self.state = state

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Tensor:
        return self.state[name]

    def __setitem__(self, name: str, value: Tensor) -> None:
        self.state[name] = value

    def leave(self, gone: Tensor, images: Tensor) -> None:
        """Marks the images of a mask as broken by these edits."""
        # Indexing with a mask waits for the GPU each time, so the indices are found
        # once.
        out = gone.nonzero().squeeze(1)
        if len(out):
            rows = self.rows[out]
            self.images[rows] = images[out]
            self.broken[rows] = True
            self.keep((~gone).nonzero().squeeze(1))

    def keep(self, left: Tensor) -> None:
        """Keeps these of the images that were left, by number."""
        self.rows = self.rows[left]
        self.state = {name: tensor[left] for name, tensor in self.state.items()}

    def spend(self, times: int = 1) -> None:
        """Adds the steps or queries spent on each image that is left."""
        self.used[self.rows] += times

    @property
    def outcome(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.images, self.used, self.broken
