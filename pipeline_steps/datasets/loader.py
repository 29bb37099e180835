"""Images on the device: kept as uint8, floated and augmented a batch at a time."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import BatchRng
from pipeline_steps.datasets.spec import Augmentation


@dataclass(frozen=True)
class ImageSet:
    """A small data set, whole on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images as floats in [0, 1], and their labels."""
        return floats(self.images[rows]), self.labels[rows]


def load_images(path: Path, device: torch.device, limit: int | None = None) -> Tensor:
    return torch.tensor(read_array(path)[:limit], device=device)


def load_image_set(
    images: Path, labels: Path, device: torch.device, limit: int | None = None
) -> ImageSet:
    return ImageSet(
        load_images(images, device, limit), load_images(labels, device, limit).long()
    )


def floats(images: Tensor) -> Tensor:
    return images.float() / 255


def check_range(images: Tensor, whose: str) -> None:
    """Every model and every attack here takes images in [0, 1], and nothing else."""
    if not images.numel():
        return
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):
        raise PipelineError(
            f"{whose} run from {low:.4g} to {high:.4g}, where images must lie in [0, 1]; "
            "nothing here is normalised outside a model"
        )


def mixtures(images: Tensor, rng: BatchRng) -> Tensor:
    """Random pairs, mixed by random shares, as IJSAT's mixup feeds its generator."""
    partner = images[rng.permutation(len(images)).to(images.device)]
    share = rng.uniform([len(images), 1, 1, 1]).to(images.device)
    return partner.lerp(images, share)


def augment(images: Tensor, how: Augmentation, rng: BatchRng) -> Tensor:
    """Each image shifted by up to `pad` pixels, and mirrored at an even chance."""
    count, _, height, width = images.shape
    if how.pad:
        padded = functional.pad(images, [how.pad] * 4)
        shift = rng.integers(0, 2 * how.pad + 1, [2, count]).to(images.device)
        rows = shift[0][:, None] + torch.arange(height, device=images.device)
        columns = shift[1][:, None] + torch.arange(width, device=images.device)
        one = torch.arange(count, device=images.device)
        images = padded.movedim(1, -1)[
            one[:, None, None], rows[:, :, None], columns[:, None, :]
        ].movedim(-1, 1)
    if how.flip:
        mirrored = rng.uniform([count]).to(images.device) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images.contiguous()
