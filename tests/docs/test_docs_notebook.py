"""The notebook of the docs runs, and prints what stands in it."""

import contextlib
import io
import json
import re
from typing import Any

import pytest
from pytest import approx

from pipeline_steps.core.registry import ROOT

NOTEBOOK = ROOT / "docs/tutorials/notebook.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def printed(cells: list[dict[str, Any]]) -> list[str]:
    """What each cell prints, run in order in one namespace as Jupyter does."""
    names: dict[str, Any] = {}
    texts = []
    for cell in cells:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
        texts.append(out.getvalue())
    return texts


def test_the_cells_print_what_the_page_shows(
    cells: list[dict[str, Any]], printed: list[str]
) -> None:
    shown = [
        "".join(line for output in cell["outputs"] for line in output["text"])
        for cell in cells
    ]
    assert any(shown)
    for text, now in zip(shown, printed, strict=True):
        assert bool(text) == bool(now)
    # Accuracies differ a little between processors: a training amplifies rounding.
    for start in ("clean", "fgsm", "pgd20", "square", "worst case"):
        assert accuracies(printed, start) == approx(accuracies(shown, start), abs=12)


def accuracies(texts: list[str], threat: str) -> list[float]:
    """Of the plain and of the robust network, as `evaluate` prints them."""
    lines = re.findall(rf"^{threat}: ([\d.]+) %", "\n".join(texts), re.MULTILINE)
    assert len(lines) == 2
    return [float(line) for line in lines]


def test_training_on_attacked_images_helps(printed: list[str]) -> None:
    plain, robust = accuracies(printed, "pgd20")
    assert robust > plain + 20
    largest = re.search(r"largest change: ([\d.]+)", "\n".join(printed))
    assert largest and float(largest.group(1)) <= 0.1001
