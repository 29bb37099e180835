"""How alike two images look to a network: LPIPS without its learned weights, as in
DMAT.

Features of several depths are scaled to length one at every pixel; squared differences
are summed over channels, averaged over pixels, and summed over depths. With `vgg16`
these are the features that LPIPS and DMAT use; offline, those of a classifier of the
pipeline.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.step import Job
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.datasets.archives import member, opened

# Widths of VGG16's convolutions, in five stages with pooling between them.
VGG = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
DEPTHS = 5

Features = Callable[[Tensor], list[Tensor]]


class Perceptual:
    """The distance between images, measured by the features of a network."""

    def __init__(self, features: Features) -> None:
        self.features = features

    def of(self, images: Tensor) -> list[Tensor]:
        """The features from which the distance to these images is computed."""
        return [functional.normalize(f, dim=1) for f in self.features(images)]

    def between(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """A distance for each image, from the features that `of` returned."""
        apart = [
            (a - b).square().sum(1).mean((1, 2))
            for a, b in zip(first, second, strict=True)
        ]
        return torch.stack(apart).sum(0)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        return self.between(self.of(first), self.of(second))


class Vgg16(nn.Module):
    """torchvision's VGG16 up to ReLU 5_3, for images in [0, 1].

    DMAT feeds images in [-1, 1] to a normalisation that is meant for [0, 1]; we don't.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.depths, inside = [], 3
        for stage in VGG:
            layers += [nn.MaxPool2d(2)] if layers else []
            for width in stage:
                layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU()]
                inside = width
            self.depths.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)
        for name, values in zip(("mean", "deviation"), IMAGENET, strict=True):
            self.register_buffer(name, torch.tensor(values)[:, None, None], False)

    def forward(self, images: Tensor) -> list[Tensor]:
        values, features = (images - self.mean) / self.deviation, []
        for depth, layer in enumerate(self.features):
            values = layer(values)
            if depth in self.depths:
                features.append(values)
        return features


class Rectified(nn.Module):
    """Features of any classifier: the outputs of some of its batch norms, rectified."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier, self.features = classifier, list[Tensor]()
        norms = [m for m in classifier.modules() if isinstance(m, nn.BatchNorm2d)]
        count = min(DEPTHS, len(norms))
        for i in range(count):
            norm = norms[(i + 1) * len(norms) // count - 1]
            norm.register_forward_hook(self._keep)

    def _keep(self, _norm: nn.Module, _images: object, values: Tensor) -> None:
        self.features.append(values.relu())

    def forward(self, images: Tensor) -> list[Tensor]:
        self.features = []
        self.classifier(images)
        return self.features


def _published(archive: Path) -> dict[str, Tensor]:
    """The tensors of weights as PyTorch publishes them: a pickle that may contain
    nothing else."""
    with opened(archive) as pack:
        (name,) = pack.getnames()
        try:
            return torch.load(BytesIO(member(pack, name).read()), weights_only=True)
        except UnpicklingError:
            raise PipelineError(
                f"{name} in {archive} is not a file of tensors alone; fetch the published one"
            ) from None


def network_of(entry: Mapping[str, Any]) -> Vgg16 | Rectified:
    """The untrained network that a spec names: a classifier of the pipeline, or VGG16."""
    if "network" in entry:
        return Rectified(make("architecture", entry["network"]))
    return Vgg16()


def load_perceptual(
    entry: Mapping[str, Any], weights: Path, device: torch.device
) -> Perceptual:
    """The distance measured by the network that a spec names, frozen."""
    network = network_of(entry)
    try:
        if isinstance(network, Rectified):
            network.classifier.load_state_dict(read_tensors(weights))
        else:
            whole = _published(weights)
            network.load_state_dict({k: whole[k] for k in network.state_dict()})
    except (RuntimeError, KeyError):
        raise PipelineError(
            f"{weights} holds the weights of another network than the config describes; "
            "build or pull it again"
        ) from None
    return Perceptual(network.to(device).eval().requires_grad_(False))


def perceptual_of(job: Job[Any], device: torch.device) -> Perceptual | None:
    """The distance measured by the features that a job's spec names, if it names
    any."""
    entry = job.spec.features
    if entry is None:
        return None
    role = "weights" if "network" in entry else "archive"
    return load_perceptual(entry, job.verified("features", role), device)
