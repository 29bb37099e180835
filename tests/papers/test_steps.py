"""Each step runs by hand on small files, and the same files give the same bytes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from papers_house import card, step

from pipeline_steps.core.card import Card
from pipeline_steps.core.files import write_json
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.papers import (
    check_claims,
    gather_claims,
    make_figure,
    make_report,
    make_table,
)
from pipeline_steps.papers.claim import AllClaimsSpec, ClaimsSpec
from pipeline_steps.papers.report.spec import OverviewSpec
from pipeline_steps.papers.results import (
    DecidedClaim,
    DecidedClaims,
    MeasuredTable,
    Outcome,
    read_results,
)
from pipeline_steps.papers.spec import FigureSpec, TableSpec

SCALE = {"scale": "demo", "scale_title": "minutes on two cores"}
PLACE = {"dataset": "digits", "stands_for": "cifar10"}
RUN = {"dataset": "digits", "defense": "at", "threat": "clean", "seed": 0}


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    path = tmp_path / "verdicts.parquet"
    right = np.arange(100) < 80
    pd.DataFrame({"image": range(100), "correct": right}).to_parquet(path)
    card(path, "verdicts", accuracy=80.0, images=100, same_when_asked_twice=True)
    return path


def curve(path: Path) -> Path:
    tables = [
        {"epoch": e, "image": i, "correct": i < 20 * e}
        for e in (1, 2, 4)
        for i in range(100)
    ]
    pd.DataFrame(tables).to_parquet(path)
    return card(path, "curve")


def examples(path: Path) -> Path:
    images = torch.rand(3, 3, 8, 8, generator=torch.manual_seed(0))
    labels = torch.tensor([1, 2, 3])
    content = {"original": images, "edited": (images + 0.1).clamp(0, 1)}
    content |= {"label": labels, "prediction": labels.flip(0)}
    write_tensors(path, content)
    return card(path, "examples")


def maps(path: Path) -> Path:
    examples(path)
    seen = {"map": torch.rand(3, 8, 8), "confidence": torch.tensor([0.2, 0.5, 0.9])}
    write_tensors(path, read_tensors(path) | seen)
    return card(path, "maps")


def pictures(path: Path) -> Path:
    images = torch.rand(16, 3, 8, 8, generator=torch.manual_seed(0))
    content = {"original": images, "projected": images + 1e-6, "samples": 1.2 * images}
    content["between"] = images.unflatten(0, (4, 4))
    write_tensors(path, content)
    return card(path, "pictures")


def distances(path: Path) -> Path:
    pd.DataFrame({"psnr": [21.0, 25.5, 30.0]}).to_parquet(path)
    return card(path, "errors")


FIGURES = {
    "training_curves": (curve, {"what": "curve", "defense": "at", "threat": "pgd20"}),
    "attacked_images": (examples, {"what": "examples", "defense": "at"}),
    "compared_attacks": (examples, {"what": "examples", "defense": "at"}),
    "attacked_levels": (examples, {"what": "examples", "defense": "at"}),
    "compared_defenses": (examples, {"what": "examples", "defense": "at"}),
    "activation_maps": (maps, {"what": "cam", "defense": "at", "threat": "pgd20"}),
    "manifold_sheet": (pictures, {"what": "manifold", "manifold": "glow"}),
    "interpolations": (pictures, {"what": "manifold", "manifold": "glow"}),
    "projection_errors": (distances, {"what": "distances", "manifold": "glow"}),
}


def figure(kind: str, panel: dict[str, str], panels: int) -> FigureSpec:
    named = [{"label": f"panel {i}", **panel} for i in range(panels)]
    about = {"paper": "ijsat", "name": "figure", "title": "Figure: $ a long title " * 5}
    content = {"figure": {"figure": kind}, "panels": named, **about, **SCALE, **PLACE}
    return FigureSpec.model_validate(content)


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize(
    "panels", [pytest.param(1, id="one panel"), pytest.param(2, id="two panels")]
)
def test_a_figure_is_the_same_bytes_twice(
    kind: str, panels: int, tmp_path: Path
) -> None:
    make, panel = FIGURES[kind]
    path = tmp_path / "panel.file"
    inputs = {"panels": [path] * panels, "panels_card": [make(path)] * panels}
    for name in ("one", "two"):
        outputs = {form: tmp_path / f"{name}.{form}" for form in ("png", "svg")}
        step(make_figure, figure(kind, panel, panels), inputs, outputs)
    for form in ("png", "svg"):
        one, two = ((tmp_path / f"{n}.{form}").read_bytes() for n in ("one", "two"))
        assert one == two
    assert b"date" not in (tmp_path / "one.svg").read_bytes()


def test_a_figure_refuses_panels_that_it_cannot_show(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "panel.file"
    inputs = {"panels": [path], "panels_card": [curve(path)]}
    outputs = {form: tmp_path / f"x.{form}" for form in ("png", "svg")}
    with pytest.raises(SystemExit):
        step(
            make_figure,
            figure("manifold_sheet", FIGURES["training_curves"][1], 1),
            inputs,
            outputs,
        )
    assert "shows panels of 'manifold'" in capfd.readouterr().err
    assert not outputs["png"].exists()


def test_a_table_in_all_forms(verdicts: Path, tmp_path: Path) -> None:
    content: dict[str, Any] = {"paper": "ijsat", "table": "table1", "average": None}
    content["title"] = "Table 1"
    columns = [{"name": "Standard", "threat": "clean"}]
    rows = [{"name": "AT", "defense": "at", "published": [84.15]}]
    content = {
        **content,
        "columns": columns,
        "runs": [RUN],
        "rows": rows,
        **SCALE,
        "dataset": "cifar10",
        "stand_ins": {"cifar10": "digits"},
    }
    spec = TableSpec.model_validate(content)
    inputs = {"verdicts": [verdicts], "verdicts_card": [verdicts.with_suffix(".json")]}
    outputs = {
        form: tmp_path / f"table.{form}"
        for form in ("json", "csv", "html", "png", "tex")
    }
    step(make_table, spec, inputs, outputs)
    table = pd.read_csv(outputs["csv"])
    assert table["published"].tolist() == [84.15]
    assert table["measured"].tolist() == [80.0]
    assert all(path.stat().st_size for path in outputs.values())
    ((cell,),) = read_results(outputs["json"], MeasuredTable).cells
    assert (cell.published, cell.measured) == (84.15, 80.0)
    assert [(run.key, run.card) for run in cell.runs] == [
        (("digits", "at", "clean"), "verdicts.json")
    ]


def claims_of_ijsat(*claims: dict[str, Any], papers_size: bool = False) -> ClaimsSpec:
    about = {"place": "Table 1", "dataset": "cifar10", "says": "it <resists>"}
    content = {
        "scale": "paper" if papers_size else "demo",
        "papers_size": papers_size,
        "stand_ins": {} if papers_size else {"cifar10": "digits"},
        "paper": "ijsat",
        "claims": [about | claim for claim in claims],
        "printed": {"resists": True},
        "seeds": [0],
        "once": [],
    }
    return ClaimsSpec.model_validate(content)


AT = {"defense": "at", "threat": "clean"}
RESISTS = {"left": AT, "relation": ">", "right": {"number": 50}}


@pytest.mark.parametrize(
    "papers_size",
    [pytest.param(False, id="small"), pytest.param(True, id="papers' size")],
)
def test_claims_as_values_a_tidy_file_and_a_page(
    verdicts: Path, tmp_path: Path, papers_size: bool
) -> None:
    resists = {"name": "resists", "holds": [RESISTS]}
    if papers_size:
        resists["dataset"] = "digits"
    other = {"name": "other", "not_run": "no attack"}
    spec = claims_of_ijsat(resists, other, papers_size=papers_size)
    inputs = {"verdicts": [verdicts], "verdicts_card": [verdicts.with_suffix(".json")]}
    inputs |= {"curves": [], "curves_card": [], "manifolds": []}
    one = {form: tmp_path / f"one.{form}" for form in ("json", "csv", "card")}
    step(check_claims, spec, inputs, one)
    outputs = {form: tmp_path / f"claims.{form}" for form in ("json", "csv", "html")}
    about = {"scale": spec.scale, "papers_size": papers_size, "datasets": ["digits"]}
    whole = AllClaimsSpec(papers=["ijsat"], **about)
    gathered = {"claims": [one["json"]], "claims_card": [one["card"]]}
    step(gather_claims, whole, gathered, outputs)
    table = pd.read_csv(outputs["csv"], keep_default_na=False)
    page = outputs["html"].read_text()
    # One seed reproduces nothing, whatever the size.
    assert table["outcome"].tolist() == ["holds", "not_run"]
    assert table["trainings"].tolist() == ["1", ""]
    assert table["papers_size"].tolist() == [papers_size] * 2
    assert table["printed"].tolist() == ["holds", ""]
    assert "it &lt;resists&gt;" in page
    assert ("not whether the paper reproduces" in page) is not papers_size
    holds, not_run = read_results(outputs["json"], DecidedClaims).claims
    assert (holds.outcome, holds.printed) == (Outcome.HOLDS, Outcome.HOLDS)
    (finding,) = holds.findings
    assert (finding.left, finding.right, finding.trainings) == (80, 50, 1)
    assert finding.interval is not None
    assert 50 < finding.interval.low < 80 < finding.interval.high
    assert finding.p == holds.p is not None
    assert (not_run.outcome, not_run.not_run) == (Outcome.NOT_RUN, "no attack")


def test_claims_read_sizes_of_edits_and_training_curves(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.parquet"
    right = np.arange(100) < 80
    moved = {"linf": np.full(100, 0.125), "l2": np.linspace(0, 2, 100)}
    pd.DataFrame({"image": range(100), "correct": right, **moved}).to_parquet(path)
    size = {**AT, "size": "linf"}
    last = {**AT, "epoch": "last", "less": {"epoch": "best"}}
    spec = claims_of_ijsat(
        {
            "name": "far",
            "holds": [{"left": size, "relation": ">", "right": {"number": 0.1}}],
        },
        {
            "name": "overfits",
            "holds": [{"left": last, "relation": "<", "right": {"number": 0}}],
        },
    )
    curves = tmp_path / "curve.parquet"
    inputs = {"verdicts": [path], "verdicts_card": [card(path, "verdicts")]}
    inputs |= {"curves": [curves], "curves_card": [curve(curves)], "manifolds": []}
    output = {form: tmp_path / f"claims.{form}" for form in ("json", "csv")}
    step(check_claims, spec, inputs, output)
    far, overfits = read_results(output["json"], DecidedClaims).claims
    assert (far.outcome, overfits.outcome) == (Outcome.HOLDS, Outcome.INCONCLUSIVE)
    assert values(far) == pytest.approx((0.125, 0.1))
    assert values(overfits) == pytest.approx((0, 0))
    details = pd.read_csv(output["csv"])["detail"]
    assert "0.125 against 0.1" in details[0]
    assert "0.00 points against 0" in details[1]


def values(claim: DecidedClaim) -> tuple[float, float]:
    """Both sides of a claim's only comparison."""
    (finding,) = claim.findings
    return finding.left, finding.right


def test_the_report_needs_no_records(verdicts: Path, tmp_path: Path) -> None:
    here = verdicts.with_suffix(".json")
    other = tmp_path / "cards" / "other.json"
    other.parent.mkdir()
    other.write_bytes(here.read_bytes())
    record = {"machine": "m", "device": "cpu", "seconds": 7260.0, "peak_memory_mb": 5}
    write_json(other.with_suffix(".record.json"), record)
    outputs = overview(tmp_path)
    step(make_report, OverviewSpec(**SCALE), {"cards": [here, other]}, outputs)
    table = pd.read_csv(outputs["csv"]).set_index("name")
    assert table.loc["other", "seconds"] == 7260
    assert table["seconds"].isna().sum() == 1
    assert "took 2.0 h of computing" in outputs["html"].read_text()
    assert json.loads(here.read_text())["step"] == "a.step"


def overview(folder: Path) -> dict[str, Path]:
    forms = {"csv": "runs.csv", "html": "runs.html", "index": "index.html"}
    forms |= {"summary": "summary.json"}
    return {form: folder / name for form, name in forms.items()}


def test_the_summary_holds_what_releases_are_compared_by(tmp_path: Path) -> None:
    metrics = {
        "verdicts/digits/at/pgd20": {"accuracy": 74.95, "images": 539},
        "verdicts/digits/at@1/pgd20": {"accuracy": 75.5},
        "verdicts/digits/at/clean": {"accuracy": 97.96},
        "generators/digits/glow": {"bits_per_dimension": 1.3, "worst_error": 6e-7},
        "generators/digits/gan": {"frechet": 9.0},
        "defenses/digits/at": {"loss": 0.6},
        "curves/digits/at/pgd20": {"accuracy": {"3": 37.8}},
    }
    cards = []
    for name, numbers in metrics.items():
        cards.append(tmp_path / "cards" / f"{name}.json")
        Card("a.step", {}, {}, {}, {}, numbers).write(cards[-1])
    for folder, given in (("one", cards), ("two", cards[::-1])):
        outputs = overview(tmp_path / folder)
        step(make_report, OverviewSpec(**SCALE), {"cards": given}, outputs)
    text = (tmp_path / "one/summary.json").read_text()
    assert json.loads(text) == {
        "accuracy": {
            "digits": {"at": {"clean": 97.96, "pgd20": 74.95}, "at@1": {"pgd20": 75.5}}
        },
        "generators": {
            "digits": {
                "gan": {},
                "glow": {"bits_per_dimension": 1.3, "worst_error": 6e-7},
            }
        },
    }
    assert text == (tmp_path / "two/summary.json").read_text()
