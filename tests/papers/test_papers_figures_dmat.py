"""DMAT's figures 4 and 5 set defenses side by side, and their edits to one measure."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from pipeline_steps.config.load import load_config
from pipeline_steps.core.registry import make
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.pictures import magnified
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import look

PAPER = Specs(load_config("paper"))


def drawn(spec: FigureSpec, files: list[Path]) -> Figure:
    with look():
        figure: Figure = make("figure", spec.figure).draw(spec, files)
        figure.canvas.draw()
    return figure


def examples(folder: Path, spec: FigureSpec) -> list[Path]:
    """The same images for all; the n-th defense's were moved by (n + 1) / 50."""
    files = []
    original = torch.full((3, 3, 4, 4), 0.5)
    for n in range(len(spec.panels)):
        move = (n + 1) / 50 * (-1) ** n
        files.append(folder / f"{n}.safetensors")
        write_tensors(
            files[-1],
            {
                "original": original,
                "edited": original + move,
                "label": torch.tensor([1, 2, 3]),
                "prediction": torch.tensor([1, 1, 3]),
            },
        )
    return files


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        pytest.param("figure4", ["PGD-50", "OM-PGD-50"], id="figure4"),
        pytest.param("figure5", ["Fog", "JPEG", "Snow"], id="figure5"),
    ],
)
def test_edits_of_one_attack_are_magnified_alike(
    tmp_path: Path, name: str, parts: list[str]
) -> None:
    spec = PAPER.pages.figure("dmat", name)
    figure = drawn(spec, examples(tmp_path, spec))
    axes = np.array(figure.axes).reshape(len(parts), 2, 2, 4).swapaxes(1, 2)
    for i, part in enumerate(parts):
        # The largest move of this attack is its third defense's; twice that has room in 1.
        factor = min(10, np.floor(2 / (3 * (i + 1) / 50)) / 2)
        for image in range(2):
            attacked, moved = axes[i, image]
            names = ["", ""] if image else [part, f"difference\n× {factor:g}"]
            assert [row[0].get_ylabel() for row in axes[i, image]] == names
            assert not moved[0].images
            assert np.allclose(attacked[0].images[0].get_array(), 0.5)
            for j in range(3):
                size = (3 * i + j + 1) / 50
                sign = (-1) ** (3 * i + j)
                shown, gap = (
                    row[1 + j].images[0].get_array() for row in axes[i, image]
                )
                assert np.allclose(shown, 0.5 + sign * size, atol=1e-6)
                assert np.allclose(gap, factor * size, atol=1e-5)
                said = "✓ 1" if image == 0 else "✗ 2, said 1"
                assert attacked[1 + j].get_xlabel() == said
    titles = [one.get_title().replace("\n", " ") for one in axes[0, 0, 0]]
    assert titles == ["original", "AT [PGD-5]", "OM-AT [OM-PGD-5]", "DMAT"]


@pytest.mark.parametrize("name", ["figure4", "figure5"])
def test_every_attack_meets_the_same_defenses(name: str) -> None:
    defenses: dict[str, list[str]] = {}
    for panel in PAPER.pages.figure("dmat", name).panels:
        defenses.setdefault(str(panel.threat), []).append(str(panel.defense))
    assert set(map(tuple, defenses.values())) == {("at-om", "om-at-pgd5", "dmat-om")}
    assert len(defenses) == {"figure4": 2, "figure5": 3}[name]


@pytest.mark.parametrize(
    ("largest", "room", "factor"),
    [
        pytest.param(0.01, 1, 10, id="small"),
        pytest.param(0.13, 1, 7.5, id="larger"),
        pytest.param(0.13, 0.5, 3.5, id="larger in half the room"),
        pytest.param(0.9, 0.5, 1, id="beyond the room"),
        pytest.param(0, 1, 10, id="nothing"),
    ],
)
def test_nothing_is_magnified_beyond_its_room(
    largest: float, room: float, factor: float
) -> None:
    assert magnified(np.array([largest, -largest / 2]), 10, room) == factor
