"""ATLD's figures show what lies behind their panels."""

from itertools import pairwise

import pytest
import torch
from figures_house import drawn, drawn_twice, spec, verdicts

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import rng
from pipeline_steps.jobs.report_inputs import panels
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers import points
from pipeline_steps.papers.style import standing_in
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.frozen import logits_of

BARS = [
    ("FS", "Clean", 90),
    ("FS", "PGD20", 60),
    ("ATLD", "Clean", 80),
    ("ATLD", "PGD20", 70),
]


def test_bars_are_as_high_as_the_accuracies(tmp_path):
    files = [verdicts(tmp_path / f"{i}", bar[2]) for i, bar in enumerate(BARS)]
    told = [
        {"label": label, "part": "CIFAR-10", "what": "verdicts", "at": at}
        for label, at, _ in BARS
    ]
    figure = drawn(spec({"figure": "accuracy_bars"}, told), files)
    (axes,) = figure.axes
    bars = [c for c in axes.containers if hasattr(c, "patches")]
    assert [[bar.get_height() for bar in group] for group in bars] == [
        [90, 60],
        [80, 70],
    ]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Clean", "PGD20"]
    assert [text.get_text() for text in axes.texts] == ["90.0", "60.0", "80.0", "70.0"]
    lines = [
        line for group in bars for line in group.errorbar.lines[2][0].get_segments()
    ]
    for (_, _, percent), ((_, low), (_, high)) in zip(BARS, lines, strict=True):
        assert percent - 10 < low < percent < high < percent + 10
    places = sorted(bar.get_x() for group in bars for bar in group)
    width = bars[0][0].get_width()
    assert all(b - a > 0.99 * width for a, b in pairwise(places))


BUDGETS = {
    "figure": "accuracy_by_budget",
    "budgets": {"PGD": "ε"},
    "trained": {"PGD": 8},
}


def lines_of(tmp_path, figure):
    told, files = [], []
    for label, at, percent in [
        ("AT", 8, 50),
        ("AT", 0, 90),
        ("FS", 0, 80),
        ("FS", 8, 60),
    ]:
        panel = {"label": label, "part": "PGD", "what": "verdicts", "at": at}
        told.append(panel)
        files.append(verdicts(tmp_path / f"{label}{at}", percent))
    return spec(figure, told), files


def test_lines_go_from_budget_to_budget(tmp_path):
    figure = drawn(*lines_of(tmp_path, BUDGETS))
    (axes,) = figure.axes
    at, fs, trained = axes.lines
    assert (at.get_label(), *at.get_xydata().tolist()) == ("AT", [0, 90], [8, 50])
    assert (fs.get_label(), *fs.get_xydata().tolist()) == ("FS", [0, 80], [8, 60])
    assert set(trained.get_xdata()) == {8}
    assert (axes.get_title(), axes.get_xlabel()) == ("PGD", "ε")
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() < 50 and band[:, 1].max() > 90
    assert "budget of training" in figure.legends[0].get_title().get_text()


@pytest.mark.parametrize(
    "wrong", [{"budgets": {}}, {"trained": {"CW": 8}}], ids=["budgets", "trained"]
)
def test_an_axis_that_has_no_name_is_a_sentence(tmp_path, wrong):
    with pytest.raises(
        PipelineError, match="figure1: its panels have the parts PGD; name"
    ):
        drawn(*lines_of(tmp_path, BUDGETS | wrong))


def test_figure5_asks_for_five_defenses_at_six_budgets():
    spec = Specs(load_config("paper")).pages.figure("atld", "figure5")
    assert len(spec.panels) == 5 * 4 * 6
    asked = {(p.part, p.at): p.threat for p in spec.panels if p.label == "ATLD"}
    assert asked["CIFAR-10, PGD20", 8] == "pgd20"
    assert asked["CIFAR-100, CW20", 20] == "cw20-20"
    told = {p.defense for p in spec.panels if spec.used(p) == "cifar100"}
    assert {"atld-cifar100", "atld-cifar100+"} <= told and "atld" not in told


def test_all_data_sets_of_figure4_have_their_stand_in_named():
    plan = Specs(load_config("demo"))
    told = standing_in(plan.pages.figure("atld", "figure4"))
    assert told == ["digits stands in for cifar10 and cifar100 and svhn"]
    behind = panels(plan, "atld", "figure4")
    job = {"dataset": "digits", "defense": "atld-cifar100+", "threat": "fgsm-random"}
    assert ("verdicts", job) in behind


@pytest.fixture
def few(monkeypatch):
    """So few steps that a test can wait for them."""
    monkeypatch.setattr(points, "STEPS", 12)


def test_points_are_perturbed_within_the_budget_and_learned(monkeypatch):
    monkeypatch.setattr(points, "STEPS", 120)
    clean, recipes = points.moons(), points.recipes()
    model = points.trained(points.STANDARD, recipes[points.STANDARD], clean)
    right = logits_of(model, clean.images).argmax(1) == clean.labels
    assert right.float().mean() > 0.97
    for name, recipe in recipes.items():
        moved = points.seen_by(recipe, model, clean) - clean.images
        assert moved.abs().amax() < points.EPSILON + 1e-6
        assert bool(moved.abs().amax() > 0) == (name != points.STANDARD)


def test_latent_manifold_examples_know_no_label(few):
    clean, recipe = points.moons(), points.recipes()["ATLD"]
    model = points.trained("ATLD", recipe, clean)
    other = Batch(clean.images, 1 - clean.labels)
    one, two = (recipe.threat(model, batch, rng(0, "x")) for batch in (clean, other))
    assert torch.equal(one, two)


def test_the_toy_draws_every_point_and_every_boundary(few, tmp_path):
    told = spec({"figure": "decision_boundaries"}, [])
    figure = drawn_twice(told, [], tmp_path)
    clean = points.moons().images[:, :, 0, 0]
    assert len(figure.axes) == 10
    for axes in figure.axes:
        shown = torch.cat([torch.tensor(line.get_xydata()) for line in axes.lines])
        assert len(shown) == points.POINTS
    lower = figure.axes[5]
    first = torch.tensor(lower.lines[0].get_xydata(), dtype=torch.float32)
    assert torch.equal(first, clean[points.moons().labels == 0])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[4] == "(e) LMAE" and titles[9] == "(j) ATLD"
