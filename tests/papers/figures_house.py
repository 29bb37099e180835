"""Made-up results for figures, and a figure drawn of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline_steps.core import registry
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import look, save

IMAGES = 200


def verdicts(path: Path, percent: float) -> Path:
    """The verdicts of a defense that keeps so much."""
    right = np.arange(IMAGES) < IMAGES * percent / 100
    pd.DataFrame({"image": range(IMAGES), "correct": right}).to_parquet(path)
    return path


def spec(figure: Any, panels: list[dict[str, Any]]) -> FigureSpec:
    about = {"paper": "a", "name": "figure1", "title": "Figure 1", "figure": figure}
    scale = {"scale": "demo", "scale_title": "minutes"}
    place = {"dataset": "digits", "stands_for": "cifar10", "panels": panels}
    return FigureSpec.model_validate({**about, **scale, **place})


def drawn(spec: FigureSpec, files: list[Path]) -> Figure:
    """The figure as `make_figure` draws it."""
    with look():
        figure: Figure = registry.make("figure", spec.figure).draw(spec, files)
    return figure


def drawn_twice(spec: FigureSpec, files: list[Path], folder: Path) -> Figure:
    """The figure, once it is known to be the same bytes each time."""
    figures = [drawn(spec, files) for _ in range(2)]
    with look():
        for i, figure in enumerate(figures):
            save(figure, folder / f"{i}.svg")
    assert (folder / "0.svg").read_bytes() == (folder / "1.svg").read_bytes()
    return figures[0]
