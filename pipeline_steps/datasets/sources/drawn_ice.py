"""Pictures of ice that are drawn, where photographs can't be fetched."""

from io import BytesIO
from pathlib import Path

import numpy as np

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.seeds import derive
from pipeline_steps.datasets.archives import packing
from pipeline_steps.datasets.canonical import Decoded
from pipeline_steps.datasets.spec import DatasetSpec

PICTURES = 5
# The nearest and the second nearest crystal of each pixel; between two lies a bright edge.
CRYSTALS = 120
EDGE = 6.0


class DrawnIce:
    """Crystals with bright edges on a dark pane, the same in every run.

    They stand in for CIFAR-10-C's photographs of frost: as bright and as large, and of
    another texture.
    """

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        with packing(target) as archive:
            for number in range(1, PICTURES + 1):
                size, levels = spec.size, _picture(spec.size, number)
                # A portable pixmap, whose bytes depend on no encoder.
                content = f"P6 {size} {size} 255\n".encode() + levels.tobytes()
                archive.add(f"ice{number}.ppm", len(content), BytesIO(content))

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        raise PipelineError(
            f"{spec.name} holds pictures of ice and no classes, so it has no "
            "canonical form; corruptions of other data sets use it"
        )


def _picture(size: int, number: int) -> np.ndarray:
    """One picture, height by width by colour, uint8."""
    draw = np.random.default_rng(derive(0, "drawn ice", number))
    centres = draw.uniform(0, size, (CRYSTALS, 2))
    brightness = draw.uniform(0.2, 0.7, CRYSTALS)
    rows, columns = np.mgrid[:size, :size]
    pixels = np.stack([rows, columns], axis=-1)[:, :, None, :]
    distances = np.linalg.norm(pixels - centres, axis=-1)
    nearest = np.sort(distances, axis=-1)[..., :2]
    edge = np.exp(-(nearest[..., 1] - nearest[..., 0]) / EDGE)
    grey = np.maximum(edge, brightness[distances.argmin(axis=-1)])
    colour = np.array([0.9, 0.95, 1.0])
    return (255 * grey[..., None] * colour).round().astype(np.uint8)
