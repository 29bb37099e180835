"""Draws all corruptions of one image: python -m docs.corruptions [--images FILE --row 0]

Without images it draws a scene of its own, and so the picture in docs/; with those of any
data set, such as data/digits/test.images.npy, one of them. Frost needs the archive of ice
photographs (data/frost/archive); without it clouds stand for ice.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.registry import make
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.corruption import CORRUPTIONS, SEVERITIES, corrupt
from pipeline_steps.datasets.corruptions.fog import plasma
from pipeline_steps.datasets.textures import textures

HERE = Path(__file__).parent


def scene(size: int) -> Tensor:
    """A house on a hill under a sun, with soft and hard edges."""
    fine = 8 * size
    y, x = np.mgrid[:fine, :fine] / fine
    picture = np.stack([0.45 + 0.35 * y, 0.65 + 0.2 * y, 0.95 - 0.1 * y])
    sun = np.exp(-(((x - 0.78) ** 2 + (y - 0.2) ** 2) / 0.008))
    picture += sun * np.array([0.6, 0.4, -0.4])[:, None, None]
    rough = 0.02 * np.sin(37 * x) + 0.015 * np.sin(61 * x + 1)

    def paint(where: np.ndarray, colour: tuple[float, float, float]) -> None:
        shade = 1 - 0.25 * x
        picture[:] = np.where(where, np.array(colour)[:, None, None] * shade, picture)

    paint(y > 0.55 + 0.12 * (x - 0.4) ** 2 * 4 + rough / 2, (0.35, 0.62, 0.25))
    paint(y > 0.8 + 0.05 * np.sin(5 * x) + rough, (0.2, 0.42, 0.18))
    walls = (np.abs(x - 0.36) < 0.17) & (np.abs(y - 0.56) < 0.16)
    paint(walls, (0.9, 0.82, 0.68))
    paint((np.abs(x - 0.36) < 0.95 * (y - 0.2)) & (y < 0.42), (0.72, 0.2, 0.15))
    paint((np.abs(x - 0.36) < 0.045) & (np.abs(y - 0.63) < 0.09), (0.35, 0.2, 0.12))
    for left in (0.25, 0.47):
        paint(np.maximum(abs(x - left), abs(y - 0.5)) < 0.045, (0.25, 0.4, 0.6))
    paint((np.abs(x - 0.85) < 0.02) & (np.abs(y - 0.68) < 0.12), (0.4, 0.26, 0.16))
    paint((x - 0.85) ** 2 + (y - 0.5) ** 2 < 0.011 + rough / 9, (0.16, 0.45, 0.2))
    whole = picture.clip(0, 1).reshape(3, size, 8, size, 8).mean((2, 4))
    return torch.from_numpy((whole * 255).round()).to(torch.uint8)


def ice(archive: Path) -> list[Tensor]:
    """The photographs, or clouds with sharp veins in their place."""
    if archive.is_file():
        return textures(archive)
    side = 512
    maps = plasma(rng(0, "ice").uniform([5, side * side - 1]), side, 2.0)
    veins = (1 - (maps * 12 % 1 - 0.5).abs() * 2) ** 3 * maps
    return [(v.expand(3, -1, -1) * 230).to(torch.uint8) for v in veins]


def draw(image: Tensor, row: int, archive: Path, place: Path) -> None:
    """A row for each severity below the image itself, a column for each corruption."""
    figure = Figure(figsize=(len(CORRUPTIONS) * 1.05, 6 * 1.05 + 0.75), dpi=110)
    axes = figure.subplots(1 + len(SEVERITIES), len(CORRUPTIONS))
    for column, word in enumerate(CORRUPTIONS):
        given = {"textures": ice(archive)} if word == "frost" else {}
        corruption = make("corruption", {"corruption": word}, **given)
        shown = [image] + [
            corrupt(corruption, word, image[None], row, severity, 0)[0]
            for severity in SEVERITIES
        ]
        for place_in, pixels in zip(axes[:, column], shown, strict=True):
            place_in.imshow(pixels.permute(1, 2, 0).expand(-1, -1, 3).numpy())
            place_in.set(xticks=[], yticks=[])
        axes[0, column].set_title(word.replace("_", "\n"), fontsize=8)
    for severity, axis in zip(["clean", *SEVERITIES], axes[:, 0], strict=True):
        axis.set_ylabel(str(severity), fontsize=9)
    figure.subplots_adjust(0.02, 0.01, 0.995, 0.92, 0.04, 0.04)
    figure.savefig(place, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="test.images.npy of a data set")
    parser.add_argument("--row", type=int, default=0)
    parser.add_argument("--size", type=int, default=32, help="of the scene, in pixels")
    parser.add_argument("--ice", type=Path, default=Path("data/frost/archive"))
    parser.add_argument(
        "--output", type=Path, default=HERE / "pictures" / "corruptions.png"
    )
    told = parser.parse_args()
    image = scene(told.size)
    if told.images:
        image = torch.from_numpy(np.array(read_array(told.images)[told.row]))
    draw(image, told.row, told.ice, told.output)


if __name__ == "__main__":
    main()
