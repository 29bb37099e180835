"""Plane waves, which edits are made of."""

import torch
from torch import Tensor


def wave(images: Tensor, crests: int) -> Tensor:
    """A wave of this many crests from left to right, with values in [-1, 1]."""
    turns = torch.linspace(0, crests, images.shape[-1], device=images.device)
    return torch.sin(2 * torch.pi * turns)
