"""Photographs of ice out of the archive that was fetched."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.datasets.archives import member, opened
from pipeline_steps.datasets.pictures import BROKEN, open_picture


def textures(archive: Path) -> list[Tensor]:
    """The photographs of a fetched archive in the order of their names: CHW, uint8."""
    with opened(archive) as pack:
        names = sorted(pack.getnames())
        photographs = []
        for name in names:
            try:
                # As published: what an image says of transparency is left out.
                photograph = open_picture(member(pack, name)).convert("RGB")
            except BROKEN as error:
                raise PipelineError(
                    f"{name} in {archive} is not an image ({error}); delete {archive}, and "
                    "fetch it again"
                ) from None
            pixels = torch.from_numpy(np.array(photograph))
            photographs.append(pixels.permute(2, 0, 1).contiguous())
    return photographs
