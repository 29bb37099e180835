"""IJSAT's figures 5, 7 and 9 show what their files hold, panel by panel."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from pipeline_steps.config.load import load_config
from pipeline_steps.core.registry import make
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import look

PAPER = Specs(load_config("paper"))


def asked(figure: str, paper: str = "ijsat") -> FigureSpec:
    return PAPER.pages.figure(paper, figure)


def drawn(spec: FigureSpec, files: list[Path]) -> Figure:
    with look():
        figure: Figure = make("figure", spec.figure).draw(spec, files)
        figure.canvas.draw()
    return figure


def maps(folder: Path, spec: FigureSpec, kept: int = 4) -> list[Path]:
    """A file for each panel; the map of the n-th is bright at its n-th place alone."""
    files = []
    for n in range(len(spec.panels)):
        images = torch.rand(kept, 3, 6, 6, generator=torch.manual_seed(n))
        where = torch.zeros(kept, 36)
        where[:, n] = 1
        files.append(folder / f"{n}.safetensors")
        write_tensors(
            files[-1],
            {
                "original": images,
                "edited": images,
                "label": torch.tensor([3] * kept),
                "prediction": torch.tensor([3 if n % 2 else 5] * kept),
                "confidence": torch.tensor([0.5 + n / 100] * kept),
                "map": where.view(kept, 6, 6),
            },
        )
    return files


def grid(figure: Figure, columns: int) -> np.ndarray:
    return np.array(figure.axes).reshape(-1, columns)


@pytest.mark.parametrize(
    ("name", "parts", "columns"),
    [
        pytest.param("figure5", ["AT", "TRADES", "MART"], 2, id="figure5"),
        pytest.param(
            "figure5-cifar10", ["AT", "TRADES", "MART"], 2, id="figure5-cifar10"
        ),
        pytest.param("figure9", ["Normal", "AT", "TRADES"], 8, id="figure9"),
        pytest.param(
            "figure9-cifar10", ["Normal", "AT", "TRADES"], 8, id="figure9-cifar10"
        ),
    ],
)
def test_each_place_of_a_grid_shows_its_own_map(
    tmp_path: Path, name: str, parts: list[str], columns: int
) -> None:
    spec = asked(name)
    figure = drawn(spec, maps(tmp_path, spec))
    axes = grid(figure, spec.figure.get("images", 1) * columns)
    assert [row[0].get_ylabel() for row in axes] == parts
    for n, panel in enumerate(spec.panels):
        i, j = parts.index(str(panel.part)), n % columns
        for one in axes[i, j::columns]:
            picture, cover = one.images
            assert cover.get_array().argmax() == n, panel.label
            assert cover.get_clim() == (0, 1) and 0.3 < cover.get_alpha() < 0.8
            assert picture.get_array().shape == (6, 6, 3)
            said = "✓ 3" if n % 2 else "✗ 3, said 5"
            assert one.get_xlabel() == f"{said}\n{50 + n} %"
        title = axes[0, j].get_title().replace("\n", " ")
        assert title == panel.label


@pytest.mark.parametrize("name", ["figure5", "figure8", "figure9"])
def test_the_leopard_is_of_om_imagenet(name: str) -> None:
    """Its face is spoken of in section 6.6 and appendices D and E."""
    paper = load_config("paper")
    content, defenses = paper.papers["ijsat"], paper.defenses.defenses
    figure, own = (content.figures[n] for n in (name, f"{name}-cifar10"))
    assert (figure.dataset, own.dataset) == ("om-imagenet", "cifar10")
    assert {defenses[str(panel.defense)].schedule for panel in figure.panels} == {
        "dmat"
    }
    pairs = zip(figure.panels, own.panels, strict=True)
    assert all(a.label == b.label and a.part == b.part for a, b in pairs)


@pytest.mark.parametrize(("name", "steps"), [("figure9", 5), ("figure9-cifar10", 10)])
def test_normal_training_with_ia_takes_as_many_steps_as_6_1_says(
    name: str, steps: int
) -> None:
    plan, (_, with_ia) = Specs(load_config("paper")), asked(name).panels[:2]
    dataset = plan.config.papers["ijsat"].figures[name].dataset
    threat = plan.defense(str(dataset), str(with_ia.defense)).recipe["threat"]
    assert threat["edit"]["perturbation"] == "latent"
    assert threat["steps"] == steps


@pytest.mark.parametrize("name", ["figure9", "figure9-cifar10"])
def test_figure_9_sets_each_defense_beside_the_same_one_with_ia(name: str) -> None:
    pairs = zip(asked(name).panels[::2], asked(name).panels[1::2], strict=True)
    for left, right in pairs:
        assert (left.part, left.threat) == (right.part, right.threat)
        assert right.label == f"{left.label}, with IA"
        assert left.defense != right.defense


def test_a_panel_that_is_left_out_leaves_its_place_empty(tmp_path: Path) -> None:
    spec = asked("figure9")
    files = maps(tmp_path, spec)
    kept = spec.model_copy(update={"panels": spec.panels[1:]})
    axes = grid(drawn(kept, files[1:]), 8)
    # The first column is now that of the first panel which is left.
    place = [*dict.fromkeys(p.label for p in kept.panels)].index("no attack")
    assert not axes[0, place].images
    assert axes[1, place].images


def curves(folder: Path, spec: FigureSpec) -> list[Path]:
    """Curves that rise by as many images an epoch as the panel's number."""
    files = []
    for n in range(len(spec.panels)):
        rows: list[dict[str, Any]] = [
            {"epoch": epoch, "image": i, "correct": i < epoch * (n + 1)}
            for epoch in (1, 3)
            for i in range(100)
        ]
        files.append(folder / f"{n}.parquet")
        pd.DataFrame(rows).to_parquet(files[-1])
    return files


def lines(axes: Any) -> dict[str, Any]:
    return {str(line.get_label()).split(":")[0]: line for line in axes.lines}


@pytest.mark.parametrize(
    ("paper", "name", "parts"),
    [
        pytest.param("ijsat", "figure2", [""], id="ijsat figure2"),
        pytest.param(
            "ijsat", "figure7", ["standard accuracy", "PGD-50"], id="ijsat figure7"
        ),
        pytest.param(
            "dmat",
            "figure3",
            ["standard accuracy", "PGD-50", "OM-PGD-50"],
            id="dmat figure3",
        ),
    ],
)
def test_curves_of_one_part_share_their_axes(
    tmp_path: Path, paper: str, name: str, parts: list[str]
) -> None:
    spec = asked(name, paper)
    figure = drawn(spec, curves(tmp_path, spec))
    assert [axes.get_title() for axes in figure.axes] == parts
    for axes, part in zip(figure.axes, parts, strict=True):
        members = {
            p.label: n for n, p in enumerate(spec.panels) if (p.part or "") == part
        }
        assert lines(axes).keys() == members.keys()
        for label, line in lines(axes).items():
            rise = members[label] + 1
            assert line.get_ydata().tolist() == pytest.approx([rise, 3 * rise])
            assert line.get_xdata().tolist() == [1, 3]
            first = lines(figure.axes[0])[label]
            assert line.get_color() == first.get_color()
            assert line.get_marker() == first.get_marker()
        looks = {(x.get_color(), x.get_marker()) for x in lines(axes).values()}
        assert len(looks) == len(members)


def test_the_threats_of_figure_7_are_none_and_pgd50() -> None:
    panels = asked("figure7").panels
    assert {(p.part, p.threat) for p in panels} == {
        ("standard accuracy", "clean"),
        ("PGD-50", "pgd50"),
    }
