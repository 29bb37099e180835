"""How far images lie from a generator's manifold, image by image."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline_steps.core.tables import read_table
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import COLOURS, DASHES, heading

BINS = 40


class ProjectionErrors:
    """The distribution of the peak signal-to-noise ratio after projection."""

    shows = "distances"

    def draw(self, spec: FigureSpec, files: list[Path]) -> Figure:
        figure = Figure(figsize=(6.2, 3.8))
        heading(figure, spec)
        axes = figure.add_subplot()
        for i, (panel, path) in enumerate(zip(spec.panels, files, strict=True)):
            values = read_table(path, ["psnr"])["psnr"]
            low, high = values.min(), max(values.max(), values.min() + 1)
            label = f"{panel.label}: median {np.median(values):.1f} dB"
            colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
            edges = np.linspace(low, high, BINS + 1)
            share = 100 * np.histogram(values, edges)[0] / len(values)
            axes.stairs(share, edges, label=label, color=colour, linestyle=dash)
        axes.set_xlabel("peak signal-to-noise ratio (dB)")
        axes.set_ylabel("images (%)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
        return figure
