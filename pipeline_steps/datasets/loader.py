"""Images on the device: kept as they are stored, floated and augmented a batch at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.device import sent
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import BatchRng
from pipeline_steps.datasets.augmentation import Moves, moves
from pipeline_steps.datasets.spec import Augmentation
from pipeline_steps.datasets.streamed import StreamedImages

# Larger sets stay on the disk; on a GPU those that take more than this of what is free.
WHOLE = 1 << 30
PART_OF_GPU = 0.5


@dataclass(frozen=True)
class ImageSet:
    """A data set: whole on one device, or read from the disk as it is needed."""

    images: Tensor | StreamedImages
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        return self.labels.device

    @property
    def raw(self) -> bool:
        """Whether they are what a GAN decoded, in [0, 1] or not."""
        return self.images.dtype.is_floating_point

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images as floats, in [0, 1] unless they are raw, and their labels."""
        images, labels = self._at(rows)
        return self._floats(images), labels

    def augmented(
        self, rows: Tensor, how: Augmentation, rng: BatchRng
    ) -> tuple[Tensor, Tensor, Moves]:
        """As `augment` makes of them, but moved while they are still small; and how they
        were moved, for what belongs to them and must be moved with them."""
        images, labels = self._at(rows)
        drawn = moves(images, how, rng)
        return self._floats(drawn.apply(images)), labels, drawn

    def _at(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows are numbers on the CPU, for there is known what to read from a disk."""
        there = sent(rows, self.device)
        streamed = isinstance(self.images, StreamedImages)
        return self.images[rows if streamed else there], self.labels[there]

    def _floats(self, images: Tensor) -> Tensor:
        return images.clone() if self.raw else floats(images)

    def expect(self, batches: Iterable[Tensor]) -> None:
        """Which rows will be asked for next, in this order; changes nothing but speed."""
        if isinstance(self.images, StreamedImages):
            self.images.expect(batches)


def load_image_set(
    images: Path, labels: Path, device: torch.device, limit: int | None = None
) -> ImageSet:
    mapped = read_array(images)[:limit]
    classes = torch.tensor(read_array(labels)[:limit], device=device).long()
    if mapped.nbytes > room(device):
        return ImageSet(StreamedImages(mapped, device), classes)
    return ImageSet(torch.tensor(mapped, device=device), classes)


def room(device: torch.device) -> int:
    """How many bytes of images are kept whole."""
    if device.type != "cuda":
        return WHOLE
    return int(PART_OF_GPU * torch.cuda.mem_get_info(device)[0])


def floats(images: Tensor) -> Tensor:
    # In place, for a second tensor of this size costs more than the division.
    return images.to(torch.float32, copy=True).div_(255)


def check_range(images: Tensor, whose: str) -> None:
    """Every model and every attack here takes images in [0, 1], and nothing else."""
    if not images.numel():
        return
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):
        raise PipelineError(
            f"{whose} run from {low:.4g} to {high:.4g}, but images must be in [0, 1]; "
            "normalise them inside the model"
        )


def mixtures(images: Tensor, rng: BatchRng) -> Tensor:
    """Random pairs, mixed by random shares, as IJSAT's mixup feeds its generator."""
    partner = images[sent(rng.permutation(len(images)), images.device)]
    share = sent(rng.uniform([len(images), 1, 1, 1]), images.device)
    return partner.lerp(images, share)
