"""JPEG compression: blocks and fringes."""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline_steps.core.rng import Rng
from pipeline_steps.datasets.corruption import levels, strength
from pipeline_steps.datasets.pictures import open_picture

SMALL = (80, 65, 58, 50, 40)
LARGE = (25, 18, 15, 10, 7)


class JpegCompression:
    """Each image through a real JPEG file, in memory."""

    def apply(self, images: Tensor, severity: int, rng: Rng) -> Tensor:
        quality = strength(images, severity, SMALL, LARGE)
        pixels = levels(images).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        saved = np.stack([_through_jpeg(image, quality) for image in pixels])
        return torch.from_numpy(saved).permute(0, 3, 1, 2).float() / 255


def _through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality)
    return np.asarray(open_picture(file, ("JPEG",))).reshape(pixels.shape)
