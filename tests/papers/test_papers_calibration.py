"""A setting is chosen by what AT and Normal Training keep under it, and by nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from papers_house import card, step

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json
from pipeline_steps.papers import calibrate
from pipeline_steps.papers.calibration import Fit, complaint, fits, verdict
from pipeline_steps.papers.spec import CalibrationSpec
from pipeline_steps.papers.statistics import Key, Outcomes

IMAGES = 400
TARGETS = {"at": 45.0, "normal": 30.0}


def spec(*threats: str, **changes: Any) -> CalibrationSpec:
    setting = {"epsilon": 0.25, "steps": 50, "targeted": False}
    content = {
        "paper": "ijsat",
        "name": "calibration-elastic",
        "title": "Elastic on CIFAR-10",
        "scale": "paper",
        "scale_title": "the paper's size",
        "dataset": "cifar10",
        "stands_for": "cifar10",
        "targets": TARGETS,
        "candidates": [{"threat": threat, **setting} for threat in threats],
        "frozen": threats[0],
        "runs": [],
    }
    return CalibrationSpec.model_validate(content | changes)


def outcomes(**kept: tuple[float, float]) -> dict[Key, Outcomes]:
    """Made-up verdicts: by threat, what AT and Normal Training keep."""
    order = np.arange(IMAGES)
    return {
        ("cifar10", name, threat): (order < share * IMAGES / 100)[None]
        for threat, shares in kept.items()
        for name, share in zip(TARGETS, shares, strict=True)
    }


def ranked(told: CalibrationSpec, **kept: tuple[float, float]) -> list[Fit]:
    return fits(told, outcomes(**kept))


def test_the_closest_is_chosen_over_all_defenses() -> None:
    told = spec("weak", "fair", "strong")
    found = ranked(told, weak=(60, 30), fair=(48, 34), strong=(45, 0))
    assert [fit.candidate.threat for fit in found] == ["fair", "weak", "strong"]
    assert found[0].distance == pytest.approx(np.sqrt((3**2 + 4**2) / 2))
    assert [fit.within for fit in found] == [True, False, False]
    assert verdict(told, found).startswith("Closest is fair, 3.54 points off")
    assert "is within the 95 % interval" in verdict(told, found)


def test_no_good_fit_is_told_as_such() -> None:
    told = spec("weak", "strong")
    found = ranked(told, weak=(90, 80), strong=(1, 0))
    assert "none of the settings explains" in verdict(told, found)


def test_of_equally_good_ones_the_frozen_one_stays() -> None:
    kept = {"one": (40.0, 30.0), "two": (50.0, 30.0), "far": (90.0, 90.0)}
    for frozen in ("one", "two"):
        told = spec(*kept, frozen=frozen)
        found = ranked(told, **kept)
        assert found[0].candidate.threat == frozen
        assert complaint(told, found) is None
        assert "; 1 more as near" in verdict(told, found)


def test_another_choice_than_the_frozen_one_is_told_with_its_remedy() -> None:
    told = spec("weak", "fair")
    found = ranked(told, weak=(60, 30), fair=(45, 30))
    wrong = complaint(told, found)
    assert wrong is not None
    assert "tables use weak, which is 10.61 points off" in wrong
    assert wrong.endswith("workflow/config/papers/ijsat.yaml name fair")


def test_missing_verdicts_are_named() -> None:
    told = outcomes(weak=(45, 30))
    del told["cifar10", "normal", "weak"]
    with pytest.raises(
        PipelineError, match="no verdicts of normal under weak on cifar1"
    ):
        fits(spec("weak"), told)


def made(
    folder: Path, told: CalibrationSpec, kept: dict[str, tuple[float, float]]
) -> dict[str, Path]:
    """The step's outputs, for verdicts that are written first."""
    runs, files = [], []
    for (dataset, defense, threat), right in outcomes(**kept).items():
        path = folder / f"{defense}-{threat}.parquet"
        pd.DataFrame({"image": range(IMAGES), "correct": right[0]}).to_parquet(path)
        card(path, "verdicts")
        files.append(path)
        one = {"dataset": dataset, "defense": defense, "threat": threat, "seed": 0}
        runs.append(one)
    told = CalibrationSpec.model_validate(told.model_dump() | {"runs": runs})
    cards = [path.with_suffix(".json") for path in files]
    outputs = {form: folder / f"chosen.{form}" for form in ("csv", "html")}
    outputs["card"] = folder / "chosen.json"
    step(calibrate, told, {"verdicts": files, "verdicts_card": cards}, outputs)
    return outputs


def test_the_step_freezes_its_choice_in_file_page_and_card(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = {"weak": (60.0, 30.0), "fair": (45.0, 30.0)}
    outputs = made(tmp_path, spec(*kept), kept)
    table = pd.read_csv(outputs["csv"])
    assert table["threat"].tolist() == ["fair", "weak"]
    assert table["at"].tolist() == [45.0, 60.0]
    assert table["distance"].tolist() == [0.0, 10.61]
    page = outputs["html"].read_text()
    assert "let `calibrations.calibration-elastic.frozen`" in page
    assert "weak (in use)" in page
    assert read_json(outputs["card"])["metrics"] == {
        "closest": "fair",
        "distance": 0.0,
        "explains": True,
        "frozen": "weak",
        "agrees": False,
    }
    assert "The tables use weak" in capfd.readouterr().err


def test_stand_ins_freeze_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = {"weak": (60.0, 30.0), "fair": (45.0, 30.0)}
    told = spec(*kept, scale="demo", stands_for="cifar100")
    page = made(tmp_path, told, kept)["html"].read_text()
    assert "nothing may be frozen by this page" in page
    assert "cifar10 stands in for cifar100" in page
    assert "The tables use" not in capfd.readouterr().err
