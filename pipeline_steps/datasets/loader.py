"""Images on the device: kept as stored, and converted to floats and augmented a batch
at a time."""

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

# Larger sets stay on disk; on a GPU, sets that take more than this share of its free
# memory.
WHOLE = 1 << 30
PART_OF_GPU = 0.5


@dataclass(frozen=True)
class ImageSet:
    """A data set: whole on one device, or read from disk as needed."""

    images: Tensor | StreamedImages
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        return self.labels.device

    @property
    def raw(self) -> bool:
        """Whether these are raw images of a GAN, which may lie outside [0, 1]."""
        return self.images.dtype.is_floating_point

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images as floats, in [0, 1] unless they are raw, and their labels."""
        images, labels = self._at(rows)
        return self._floats(images), labels

    def augmented(
        self, rows: Tensor, how: Augmentation, rng: BatchRng
    ) -> tuple[Tensor, Tensor, Moves]:
        """Augmented images, labels and moves. Like `augment`, but images are moved
        while they are still bytes; the moves are for whatever must stay aligned with
        them."""
        images, labels = self._at(rows)
        drawn = moves(images, how, rng)
        return self._floats(drawn.apply(images)), labels, drawn

    def _at(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows are on the CPU, because a data set on disk is read by them."""
        there = sent(rows, self.device)
        streamed = isinstance(self.images, StreamedImages)
        return self.images[rows if streamed else there], self.labels[there]

    def _floats(self, images: Tensor) -> Tensor:
        return images.clone() if self.raw else floats(images)

    def expect(self, batches: Iterable[Tensor]) -> None:
        """Announces which rows come next, in order; this only affects speed."""
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
    """How many bytes of images may be kept in memory."""
    if device.type != "cuda":
        return WHOLE
    return int(PART_OF_GPU * torch.cuda.mem_get_info(device)[0])


def floats(images: Tensor) -> Tensor:
    # In place, because a second tensor of this size costs more than the division.
    return images.to(torch.float32, copy=True).div_(255)


def check_range(images: Tensor, whose: str) -> None:
    """Refuses images outside [0, 1], which every model and attack here expects."""
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
