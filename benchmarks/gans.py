"""StyleGAN and SNGAN learn 32 images by heart: a picture that a person can judge.

python -m benchmarks.gans PICTURE.png [--images IMAGES.npy] [--gan stylegan]
    [--steps 3600] [--width 32] [--batch 16] [--weights WEIGHTS] [--device cpu]

The images are the first 32 of an array as data sets have it, or 32 crops of the two
photographs that scikit-learn ships. The picture shows them in its upper half, and as many
samples of the generator below; it is drawn anew ten times on the way, when the Fréchet
distance by a classifier of these images is told.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.rng import rng
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.generators.judging import Judge
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanSpec
from pipeline_steps.generators.train_gan import COLUMNS, train_gan

IMAGES, COLUMNS_OF_PICTURE, ENLARGED = 32, 8, 3
# Of photographs made smaller by 8: where the crops lie that show what is in them.
SMALLER, SIDE, TOPS, LEFTS = 8, 32, (0, 7, 14, 21), (14, 21, 27, 34)


def photographs() -> np.ndarray:
    """32 crops of a temple and of a flower, uint8, NCHW."""
    crops = []
    for photograph in load_sample_images().images:
        small = np.asarray(Image.fromarray(photograph).reduce(SMALLER))
        crops += [small[y : y + SIDE, x : x + SIDE] for y in TOPS for x in LEFTS]
    return np.stack(crops).transpose(0, 3, 1, 2)


class Drawing(Judge):
    """Draws what it judges beside the real images."""

    picture: Path

    def distance(self, generator: Any, growth: Growth, *labels: str | int) -> float:
        draw = rng(self.spec.seed, "benchmark", device=self.device)
        with torch.no_grad():
            made = self._whole(generator.imagine(IMAGES, draw, growth))
        real, _ = self.data[torch.arange(IMAGES, device=self.device)]
        Image.fromarray(album(torch.cat([real, made]))).save(self.picture)
        return super().distance(generator, growth, *labels)


def spec_of(gan: str, size: int, width: int, images: int, batch: int) -> GanSpec:
    """The published losses on narrow networks, at rates that suit few steps.

    StyleGAN learns each resolution for hundreds of steps before the next, under its own
    R1: hurried to 32 pixels with less of it, its discriminator knew 32 images by heart
    long before the generator had a shape. Its mapping has two layers, for it learns at a
    hundredth of the rate, which is next to nothing in so few steps.
    """
    models = {
        "stylegan": {"width": width, "base": 16 * width, "mapping": 2},
        "sngan": {"latents": 128, "width": width, "judging_width": width},
    }
    stylegan = {"loss": "logistic", "penalty": 2.5, "second_moment": 0.99}
    stylegan |= {"learning_rate": 5e-3, "average": 1000, "grow_from": 8}
    sngan = {"loss": "hinge", "critics": 2, "second_moment": 0.9, "fall": True}
    sngan |= {"learning_rate": 1e-3}
    training = {"stylegan": stylegan | {"growth_images": images // 6}, "sngan": sngan}
    judge = {"images": IMAGES, "times": 10, "steps": 300, "width": 16}
    dataset = {"classes": IMAGES, "size": size, "channels": 3}
    return GanSpec.model_validate(
        {
            "dataset": dataset | {"name": "few"},
            "model": models[gan]
            | {"name": gan, "generator": gan, "channels": 3, "size": size},
            "training": training[gan]
            | {"images": images, "batch": batch, "judge": judge},
            "seed": 0,
        }
    )


def album(images: Tensor) -> np.ndarray:
    """Images in rows, enlarged."""
    rows = [torch.cat(list(row), 2) for row in images.split(COLUMNS_OF_PICTURE)]
    whole = torch.cat(rows, 1).clamp(0, 1).mul(255).round().to(torch.uint8)
    large = whole.repeat_interleave(ENLARGED, 1).repeat_interleave(ENLARGED, 2)
    return large.permute(1, 2, 0).cpu().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--gan", default="stylegan", choices=["stylegan", "sngan"])
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--weights", type=Path, help="where to keep the generator")
    parser.add_argument("--device", default="cpu")
    told = parser.parse_args()
    device = torch.device(told.device)
    shown = read_array(told.images)[:IMAGES] if told.images else photographs()
    few = torch.tensor(np.array(shown), device=device)
    data = ImageSet(few, torch.arange(IMAGES, device=device))
    spec = spec_of(
        told.gan, few.shape[-1], told.width, told.steps * told.batch, told.batch
    )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        judge = Drawing(spec, data, None)
        judge.picture = told.picture
        model, rows = train_gan(spec, data, judge, Path(folder), device)
    for row in rows:
        print(", ".join(f"{k} {v:.4g}" for k, v in zip(COLUMNS, row, strict=True)))
    print(f"{told.gan}: {told.steps} steps in {time.monotonic() - start:.0f} s")
    if told.weights:
        write_tensors(told.weights, model.state_dict())


if __name__ == "__main__":
    main()
