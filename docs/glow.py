"""Draws images of a trained flow: python -m docs.glow CARD

CARD is the card of `train_flow`, from which the weights are found. The flow
interpolates between scikit-learn's two sample photographs.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from docs.threats import photographs
from pipeline_steps.core.card import read_card
from pipeline_steps.core.rng import rng
from pipeline_steps.generators.generator import load_generator

HERE = Path(__file__).parent
COLUMNS = 12


def samples(flow: Any, temperature: float) -> Tensor:
    drawn: Tensor = flow.sample(2 * COLUMNS, rng(0, "samples"), temperature)
    return drawn.clamp(0, 1)


def interpolations(flow: Any, images: Tensor) -> Tensor:
    """Each row leads from one image to the next in equal steps of the latents."""
    ends = flow.encode(images)
    steps = torch.linspace(0, 1, COLUMNS)[:, None]
    rows = [a.lerp(b, steps) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    decoded: Tensor = flow.decode(torch.cat(rows))
    return decoded.clamp(0, 1)


def grid(images: Tensor) -> Tensor:
    """Images side by side, so many in a row, with a white line between them."""
    count, channels, height, width = images.shape
    padded = torch.ones(count, channels, height + 1, width + 1)
    padded[:, :, :height, :width] = images
    rows = padded.unflatten(0, (-1, COLUMNS)).permute(0, 3, 1, 4, 2)
    return rows.reshape(-1, COLUMNS * (width + 1), channels)


def drawn(parts: dict[str, Tensor]) -> Figure:
    sheets = {title: grid(images) for title, images in parts.items()}
    heights = [len(sheet) for sheet in sheets.values()]
    figure = Figure((8, 8 * sum(heights) / sheets[next(iter(sheets))].shape[1] + 1))
    axes = figure.subplots(len(sheets), 1, height_ratios=heights, squeeze=False)
    for ax, (title, sheet) in zip(axes[:, 0], sheets.items(), strict=True):
        ax.imshow(sheet, interpolation="nearest")
        ax.set_title(title, fontsize=9, loc="left", pad=3)
        ax.axis("off")
    figure.tight_layout(pad=0.3)
    return figure


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("card", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "pictures/glow.png")
    told = parser.parse_args()
    card = read_card(told.card)
    flow = load_generator(card.spec["model"], card.files(told.card)["weights"])
    parts = {f"samples at temperature {t}": samples(flow, t) for t in (0.5, 0.7, 1.0)}
    temple, flower = photographs(card.spec["model"]["size"])
    ends = torch.stack([temple, flower, flower, temple.flip(2)])
    parts["from one photograph to another"] = interpolations(flow, ends)
    drawn(parts).savefig(told.out, dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main()
