"""How far a GAN's images are from real ones, by the features of a fixed network."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, max_pool2d, relu

from pipeline_steps.core.rng import Rng, rng
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.generators.frechet import Moments, frechet_distance, moments
from pipeline_steps.generators.generator import ApproximateGenerator
from pipeline_steps.generators.plain_layers import Xavier
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanSpec

# The classifier's training.
BATCH, LEARNING_RATE = 64, 2e-3
# Images whose features are taken at once.
AT_ONCE = 250


class Classifier(nn.Module):
    """A small network that learns the classes, for its features: [n, 4 * width]."""

    trained: Tensor

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [channels, width, 2 * width, 4 * width]
        self.layers: Any = nn.ModuleList(
            Xavier(after, before, 3, 3, gain=2**0.5)
            for before, after in itertools.pairwise(widths)
        )
        self.classes = Xavier(classes, 4 * width)
        self.register_buffer("trained", torch.tensor(False))

    def draw_weights(self, rng: Rng) -> None:
        for layer in (*self.layers, self.classes):
            layer.draw_weights(rng)

    def forward(self, images: Tensor) -> Tensor:
        x = 2 * images - 1
        for layer in self.layers:
            x = max_pool2d(relu(layer(x)), 2)
        return x.mean((2, 3))

    def learn(self, data: ImageSet, steps: int, seed: int) -> None:
        """Trains it; the weights are always the same."""
        self.draw_weights(rng(seed, "judge", "weights"))
        optimiser = torch.optim.Adam(self.parameters(), lr=LEARNING_RATE)
        for step in range(steps):
            draw = rng(seed, "judge", "rows", step)
            rows = draw.integers(0, len(data), [BATCH]).to(data.labels.device)
            images, labels = data[rows]
            loss = cross_entropy(self.classes(self(images)), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        self.trained.fill_(True)


def _inception(path: Path) -> nn.Module:
    # Imported here, because torchvision takes longer to import than torch, and few
    # users have this file.
    from pipeline_steps.generators.inception import load_inception

    return load_inception(path)


class Judge:
    """Measures the Fréchet distance between a generator's images and a data set."""

    def __init__(self, spec: GanSpec, data: ImageSet, inception: Path | None) -> None:
        self.spec, self.data = spec, data
        self.settings = spec.training.judge
        self.count = min(self.settings.images, len(data))
        self.device, dataset = data.labels.device, spec.dataset
        self.network: Any = (
            _inception(inception)
            if inception
            else Classifier(dataset.channels, dataset.classes, self.settings.width)
        ).to(self.device)
        self.features = "Inception" if inception else "a classifier of this data set"
        self.real: Moments | None = None

    def state_dict(self) -> dict[str, Tensor]:
        """The classifier, for a resumed run; Inception is read from its file."""
        learned = isinstance(self.network, Classifier)
        return self.network.state_dict() if learned else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if state:
            self.network.load_state_dict(state)

    def distance(
        self, generator: ApproximateGenerator, growth: Growth, *labels: str | int
    ) -> float:
        """The distance between this many generated images and as many real ones."""
        seed = self.spec.seed
        if isinstance(self.network, Classifier) and not self.network.trained:
            self.network.learn(self.data, self.settings.steps, seed)
        if self.real is None:
            order = rng(seed, "judge", "real").permutation(len(self.data))
            chosen = order[: self.count].to(self.device)
            self.real = self._moments(lambda part: self.data[chosen[part]][0])
        draw = rng(seed, "judge", "made", *labels)
        generated = self._moments(
            lambda part: self._whole(generator.imagine(len(part), draw, growth))
        )
        return frechet_distance(self.real, generated)

    @torch.no_grad()
    def _moments(self, images: Callable[[Tensor], Tensor]) -> Moments:
        def batches() -> Iterator[Tensor]:
            for part in torch.arange(self.count).split(AT_ONCE):
                yield self.network(images(part.to(self.device)))

        return moments(batches())

    def _whole(self, images: Tensor) -> Tensor:
        """As they would be displayed: rounded to bytes, and at the size of the real
        ones."""
        images = (255 * images.clamp(0, 1)).round() / 255
        side = self.spec.dataset.size
        return interpolate(images, (side, side)) if images.shape[-1] < side else images
