"""The Inception network used for published Fréchet distances, if the user has its
weights.

Its features are those of Heusel et al.: TensorFlow's network of 2015, whose weights
mseitzer/pytorch-fid published for torch as `pt_inception-2015-12-05`. It differs from
torchvision's network in its pooling and in its 1,008 classes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from pipeline_steps.core import torchvision_ops  # noqa: F401  before torchvision
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.tensors import read_tensors

from torchvision.models import inception as published  # isort: skip

SIDE = 299


class OtherPooling:
    """A block whose last branch pools in another way; it comes before torchvision's."""

    branch_pool: Callable[[Tensor], Tensor]

    def pool(self, x: Tensor) -> Tensor:
        return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)

    def _forward(self, x: Tensor) -> list[Tensor]:
        *branches, _ = super()._forward(x)  # type: ignore[misc]
        return [*branches, self.branch_pool(self.pool(x))]


class BlockA(OtherPooling, published.InceptionA):
    """35 pixels a side; padding is not counted."""


class BlockC(OtherPooling, published.InceptionC):
    """17 pixels a side; padding is not counted."""


class BlockE(OtherPooling, published.InceptionE):
    """8 pixels a side; padding is not counted."""


class LastBlockE(BlockE):
    """The last block takes the largest."""

    def pool(self, x: Tensor) -> Tensor:
        return max_pool2d(x, 3, stride=1, padding=1)


class InceptionFeatures(published.Inception3):
    """The 2,048 features of images in [0, 1] before the last layer."""

    def __init__(self) -> None:
        blocks: list[Any] = [
            published.BasicConv2d,
            BlockA,
            published.InceptionB,
            BlockC,
        ]
        blocks += [published.InceptionD, BlockE, published.InceptionAux]
        super().__init__(1008, False, False, blocks, init_weights=False)
        self.Mixed_7c = LastBlockE(2048)
        self.fc = torch.nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        shape = (SIDE, SIDE)
        large = interpolate(images, shape, mode="bilinear", align_corners=False)
        features: Tensor = self._forward(2 * large - 1)[0]
        return features


def load_inception(path: Path) -> InceptionFeatures:
    """The network, frozen and in eval mode, from its published weights as safetensors."""
    with torch.device("meta"):  # first weights would be drawn from torch's own state
        network = InceptionFeatures()
    network.to_empty(device="cpu")
    misfit = network.load_state_dict(
        {k: v for k, v in read_tensors(path).items() if not k.startswith("fc.")},
        strict=False,
    )
    missing = [k for k in misfit.missing_keys if not k.endswith("num_batches_tracked")]
    if missing or misfit.unexpected_keys:
        raise PipelineError(
            f"{path} holds other weights than pt_inception-2015-12-05 "
            f"({[*missing, *misfit.unexpected_keys][0]}); "
            "docs/reference/generators.md says how to make it"
        )
    return network.eval().requires_grad_(False)
