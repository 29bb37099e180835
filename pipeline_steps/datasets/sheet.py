"""A contact sheet: the first images of every class under its name."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

THUMB = 48
GAP = 4
NAME = 110
ROWS = 20


def contact_sheet(
    images: np.ndarray, labels: np.ndarray, names: Sequence[str], per_class: int
) -> Image.Image:
    """A row for each class, in blocks of so many rows beside each other."""
    step = THUMB + GAP
    block = NAME + per_class * step + GAP
    rows, blocks = min(len(names), ROWS), -(-len(names) // ROWS)
    sheet = Image.new("RGB", (blocks * block, rows * step + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for label, name in enumerate(names):
        left, top = label // ROWS * block + GAP, label % ROWS * step + GAP
        draw.text((left, top + THUMB // 3), name[:18], fill="black")
        for i, row in enumerate(np.flatnonzero(labels == label)[:per_class]):
            sheet.paste(_thumb(images[row]), (left + NAME + i * step, top))
    return sheet


def _thumb(image: np.ndarray) -> Image.Image:
    pixels = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0)
    small = image.shape[1] <= THUMB
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((THUMB, THUMB), how)
