"""JAT's figures show what lies behind their panels."""

import numpy as np
import pytest
import torch
from figures_house import drawn, drawn_twice, spec, verdicts
from matplotlib.quiver import Quiver

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.load import new_model
from pipeline_steps.evaluation.verdicts import Judge, VerdictLog
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.warping import warped

BUDGETS = (0.0, 0.3, 1.0)


@pytest.fixture
def judged(tmp_path, toy_images, toy_architecture):
    """Real examples of a threat of the config, on an untrained network."""

    def judged(threat):
        spec = Specs(load_config("demo")).threat(threat, "digits")
        model = new_model(toy_architecture, seed=0).eval()
        log = VerdictLog()
        judge = Judge(model, toy_images, build_threat(spec, {}), seed=0)
        for rows in (range(5), range(5, 9)):
            log.add(judge(rows), kept=6)
        path = tmp_path / f"{threat}.examples.safetensors"
        write_tensors(path, log.examples())
        return path, log.examples()

    return judged


def test_examples_of_a_spatial_attack_hold_its_flow(judged):
    _, examples = judged("spatial-5-5")
    assert examples["flow"].shape == (6, 2, 8, 8)
    assert 0.4 < examples["flow"].norm(dim=1).max() <= 0.5 + 1e-6
    again = warped(examples["original"], examples["flow"], outside="grey")
    assert torch.equal(again, examples["edited"])
    assert "flow" not in judged("fgsm")[1]


def test_arrows_point_where_pixels_are_fetched(judged, tmp_path):
    path, examples = judged("spatial-5-5")
    panel = {"label": "Spatial", "what": "examples"}
    told = spec({"figure": "flow_fields", "images": 4}, [panel])
    figure = drawn_twice(told, [path], tmp_path)
    assert len(figure.axes) == 3 * 4
    for axes, flow in zip(figure.axes[8:], examples["flow"].numpy(), strict=False):
        (arrows,) = (one for one in axes.collections if isinstance(one, Quiver))
        np.testing.assert_array_equal(arrows.U, flow[0].flatten())
        np.testing.assert_array_equal(arrows.V, flow[1].flatten())
        np.testing.assert_array_equal(
            arrows.XY[:9], [*([i, 0] for i in range(8)), [0, 1]]
        )
        assert axes.yaxis_inverted()
    for axes, image in zip(figure.axes[4:8], examples["edited"].numpy(), strict=False):
        np.testing.assert_array_equal(
            axes.images[0].get_array(), image.transpose(1, 2, 0)
        )


def test_without_a_flow_there_is_a_sentence(judged):
    told = spec({"figure": "flow_fields"}, [{"label": "FGSM", "what": "examples"}])
    with pytest.raises(PipelineError, match="has no flow, because its threat"):
        drawn(told, [judged("fgsm")[0]])


def test_growing_budgets_as_lines_and_as_images(judged, tmp_path):
    lines = [
        {"label": f"{steps} steps", "what": "verdicts", "at": at}
        for steps in (1, 20)
        for at in BUDGETS
    ]
    kept = [90, 80, 70, 90, 50, 10]
    files = [verdicts(tmp_path / f"{i}", percent) for i, percent in enumerate(kept)]
    images = [{"label": "images", "what": "examples", "at": at} for at in BUDGETS]
    sheets = [judged(name) for name in ("clean", "spatial-1-3", "spatial-1-10")]
    told = spec({"figure": "spatial_budgets", "images": 5}, lines + images)
    figure = drawn(told, files + [path for path, _ in sheets])
    first, *grid = figure.axes
    assert [line.get_ydata().tolist() for line in first.lines] == [
        [90, 80, 70],
        [90, 50, 10],
    ]
    assert [line.get_xdata().tolist() for line in first.lines] == [[*BUDGETS]] * 2
    assert len(grid) == 5 * 3
    assert [axes.get_title() for axes in grid[:3]] == ["(b) 0 px", "0.3", "1"]
    for i, axes in enumerate(grid):
        edited = sheets[i % 3][1]["edited"][i // 3].numpy().transpose(1, 2, 0)
        np.testing.assert_array_equal(axes.images[0].get_array(), edited)


@pytest.mark.parametrize("figure", ["figure1", "figure3", "figure4"])
def test_every_spatial_threat_has_the_budget_that_it_is_drawn_at(figure):
    plan = Specs(load_config("paper"))
    for panel in plan.pages.figure("jat", figure).panels:
        edit = plan.threat(panel.threat, "cifar10").edit
        if edit["perturbation"] == "warp" and panel.at is not None:
            assert edit["epsilon"] == panel.at
            assert edit["step_size"] == pytest.approx(panel.at / 2)
        if edit["perturbation"] == "pixel":
            assert edit["epsilon"] == pytest.approx(panel.at / 255)
            assert edit["step_size"] == pytest.approx(2 / 255)


def test_figure1_has_a_line_for_each_number_of_steps():
    plan = Specs(load_config("paper"))
    spec = plan.pages.figure("jat", "figure1")
    for panel in spec.panels:
        steps = plan.threat(panel.threat, "cifar10").model_dump()["steps"]
        if panel.what == "verdicts" and panel.at:
            assert panel.label == f"{steps} step{'s' * (steps > 1)}"
    assert {panel.defense for panel in spec.panels} == {"jat-pixel-multi"}
