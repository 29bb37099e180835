"""StyleGAN and SNGAN learn 32 images by heart: a picture that a person can judge.

python -m benchmarks.gans IMAGES.npy PICTURE.png [--gan stylegan] [--steps 2500]
    [--width 64] [--batch 16] [--device cpu]

The images are uint8, NCHW, as data sets have them; the first 32 are taken. The picture
shows them in its upper half, and as many samples of the generator below. Printed are the
Fréchet distance by a classifier of these images on the way, and the time.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.loader import ImageSet, floats
from pipeline_steps.generators.judging import Judge
from pipeline_steps.generators.spec import GanSpec
from pipeline_steps.generators.train_gan import COLUMNS, train_gan

IMAGES, COLUMNS_OF_PICTURE, ENLARGED = 32, 8, 2


def spec_of(gan: str, size: int, width: int, images: int, batch: int) -> GanSpec:
    """The published losses on narrow networks, at rates that suit few steps.

    R1 is as StyleGAN2-ADA scales it down for small images: 10 would hold the
    discriminator back for longer than this lasts.
    """
    models = {
        "stylegan": {"width": width, "base": 8 * width, "mapping": 8},
        "sngan": {"latents": 128, "width": width, "judging_width": width},
    }
    stylegan = {"loss": "logistic", "penalty": 0.02, "second_moment": 0.99}
    stylegan |= {"learning_rate": 2e-3, "mixing": 0.5, "average": 1000, "grow_from": 8}
    sngan = {"loss": "hinge", "critics": 2, "second_moment": 0.9, "fall": True}
    sngan |= {"learning_rate": 1e-3}
    training = {"stylegan": stylegan | {"growth_images": images // 20}, "sngan": sngan}
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
    parser.add_argument("images", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--gan", default="stylegan", choices=["stylegan", "sngan"])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    told = parser.parse_args()
    device = torch.device(told.device)
    few = torch.tensor(np.array(read_array(told.images)[:IMAGES]), device=device)
    data = ImageSet(few, torch.arange(IMAGES, device=device))
    spec = spec_of(
        told.gan, few.shape[-1], told.width, told.steps * told.batch, told.batch
    )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(spec, data, None)
        model, rows = train_gan(spec, data, judge, Path(folder), device)
    for row in rows:
        print(", ".join(f"{k} {v:.4g}" for k, v in zip(COLUMNS, row, strict=True)))
    print(f"{told.gan}: {told.steps} steps in {time.monotonic() - start:.0f} s")
    samples = model.sample(IMAGES, rng(0, "benchmark"), temperature=1.0)
    whole = album(torch.cat([floats(few), samples.float()]))
    Image.fromarray(whole).save(told.picture)


if __name__ == "__main__":
    main()
