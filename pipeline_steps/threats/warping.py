"""Resamples images bilinearly where a flow points, in pixels.

`grid_sample` takes coordinates relative to the image's size and rounds them, so that a
flow of zeros would not return the image bit for bit. Here it does, at every size.
"""

from typing import Literal

import torch
from torch import Tensor

Outside = Literal["black", "grey", "nearest"]

SHADES = {"black": 0.0, "grey": 0.5}


def warped(images: Tensor, flow: Tensor, outside: Outside) -> Tensor:
    """Each pixel from where its flow [B, (right, down), H, W] points to.

    Outside the image is one shade, or the nearest pixel.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    columns = torch.arange(width, device=flow.device) + flow[:, 0]
    top, left = rows.detach().floor(), columns.detach().floor()
    down, right = (rows - top)[:, None], (columns - left)[:, None]

    def at(row: Tensor, column: Tensor) -> Tensor:
        row, column = row.long(), column.long()
        inner_row, inner_column = row.clamp(0, height - 1), column.clamp(0, width - 1)
        place = (inner_row * width + inner_column).flatten(1)[:, None]
        values = images.flatten(2).gather(2, place.expand(-1, images.shape[1], -1))
        values = values.view_as(images)
        if outside == "nearest":
            return values
        inside = (row == inner_row) & (column == inner_column)
        return torch.where(inside[:, None], values, SHADES[outside])

    above = torch.lerp(at(top, left), at(top, left + 1), right)
    below = torch.lerp(at(top + 1, left), at(top + 1, left + 1), right)
    return torch.lerp(above, below, down).clamp(0, 1)
