"""How much it takes to break a defense: the smallest budget for each image, and its curve."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from figures_house import drawn_twice, spec

from pipeline_steps.config.load import load_config, scales
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.figures.breaking_budgets import (
    UNBROKEN,
    smallest_budgets,
    withstood,
)

PARTS = {
    "PGD-50": "pgd50",
    "OM-PGD-50": "om-pgd-gan",
    "Fog": "fog",
    "JPEG": "jpeg",
    "Snow": "snow",
}


def judged(path: Path, right: dict[int, bool]) -> Path:
    told = {"image": list(right), "correct": list(right.values())}
    pd.DataFrame(told).to_parquet(path)
    return path


def test_the_smallest_budget_that_breaks_an_image_is_found(tmp_path: Path) -> None:
    """Also where a larger one fails to, and only of images that all were tried on."""
    files = {
        0.0: judged(tmp_path / "0", {1: True, 2: True, 3: False, 4: True, 5: True}),
        2.0: judged(tmp_path / "2", {4: True, 3: True, 2: True, 1: False}),
        1.0: judged(tmp_path / "1", {1: True, 2: False, 3: True, 4: True, 9: True}),
    }
    smallest = smallest_budgets(files)
    assert smallest.to_dict() == {1: 2.0, 2: 1.0, 3: 0.0, 4: UNBROKEN}
    shares = [withstood(smallest, budget).mean() for budget in (0, 1, 2)]
    assert shares == [0.75, 0.5, 0.25]


def test_the_mean_accuracy_over_doublings_counts_what_an_image_withstands(
    tmp_path: Path,
) -> None:
    """As the claim compares it: where no larger budget does less, image by image."""
    draw = np.random.default_rng(0)
    levels = (0.25, 0.5, 1.0, 2.0)
    breaks = draw.choice([*levels, UNBROKEN], 300)
    files = {
        level: judged(tmp_path / f"{level}", dict(enumerate(breaks > level)))
        for level in levels
    }
    smallest = smallest_budgets(files)
    assert np.array_equal(smallest.to_numpy(), breaks)
    doublings = np.searchsorted(levels, breaks)
    means = [pd.read_parquet(file)["correct"].mean() for file in files.values()]
    assert np.mean(means) == pytest.approx(doublings.mean() / 4)


def test_a_curve_falls_with_the_budget_and_tells_the_median(tmp_path: Path) -> None:
    panels, files = [], []
    budgets = {0.0: 100, 0.5: 80, 1.0: 40, 2.0: 60}
    for label, less in (("AT", 30), ("DMAT", 0)):
        for budget, percent in budgets.items():
            about = {"label": label, "part": "Fog", "what": "verdicts", "at": budget}
            panels.append(about)
            right = np.arange(200) < 2 * max(0, percent - less)
            name = tmp_path / f"{label}{budget}"
            files.append(judged(name, dict(enumerate(right))))
    figure = drawn_twice(spec({"figure": "breaking_budgets"}, panels), files, tmp_path)
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines[:2]}
    # Of 60 at twice the budget 40 are left: what one breaks is broken by twice as much.
    assert list(lines["DMAT"]) == [100, 80, 40, 40]
    assert list(lines["AT"]) == [70, 50, 10, 10]
    (told,) = axes.texts
    assert told.get_text() == "AT: 0.5\nDMAT: 1"


@pytest.mark.parametrize("scale", scales())
def test_the_figure_tries_budgets_that_double(scale: str) -> None:
    plan = Specs(load_config(scale))
    figure = plan.pages.figure("dmat", "figure-budgets")
    assert [panel.part for panel in figure.panels[::15]] == list(PARTS)
    for part, threat in PARTS.items():
        own = [panel for panel in figure.panels if panel.part == part]
        assert len(own) == 3 * 5
        amounts = {
            plan.threat(str(p.threat), str(figure.dataset)).model_dump()["edit"][
                "epsilon"
            ]: float(p.at or 0)
            for p in own
            if p.threat != "clean"
        }
        one = plan.threat(threat, str(figure.dataset)).model_dump()["edit"]["epsilon"]
        assert sorted(amounts.values()) == [0.25, 0.5, 1, 2]
        for epsilon, share in amounts.items():
            assert epsilon == pytest.approx(share * one)


def test_the_claim_is_about_these_budgets() -> None:
    plan = Specs(load_config("paper"))
    claims = {claim.name: claim for claim in plan.claims.of("dmat").claims}
    claim = claims["dmat-needs-stronger-distortions"]
    asked = {threat for side in claim.quantities for threat in side.threats}
    levels = ("-quarter", "-half", "", "-double")
    assert asked == {f"{name}{level}" for name in PARTS.values() for level in levels}
    assert len(claim.comparisons) == 2 + 3 * 2
