"""The demo, as a newcomer runs it: real numbers, all paths, a report that opens."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from workflow_house import House

from pipeline_steps.papers.forms.tidy import TABLE_COLUMNS

pytestmark = pytest.mark.xdist_group("workflow")


def table1(house: House) -> pd.DataFrame:
    tidy = pd.read_csv(house.root / "results/demo/papers/ijsat/table1.csv")
    return tidy.pivot(index="method", columns="column", values="measured")


def test_table_1_is_measured_and_adversarial_training_helps(demo: House) -> None:
    measured = table1(demo)
    normal, at, ijsat = (
        measured.loc[name] for name in ("Normal Training", "AT [PGD-5]", "IJSAT (ours)")
    )
    for row in (normal, at, ijsat):
        assert row[["Standard", "PGD-20", "JSA-50"]].notna().all()
        assert row["Standard"] > 85
    assert normal["PGD-20"] < 10
    assert at["PGD-20"] > normal["PGD-20"] + 40
    assert ijsat["PGD-20"] > normal["PGD-20"] + 40


def test_every_number_is_accounted_for(demo: House) -> None:
    tidy = pd.read_csv(demo.root / "results/demo/papers/ijsat/table1.csv")
    assert list(tidy.columns) == [*TABLE_COLUMNS]
    run = tidy[tidy["measured"].notna()]
    assert (run["low"] <= run["measured"]).all()
    assert (run["measured"] <= run["high"]).all()
    assert tidy[tidy["measured"].isna()]["flags"].str.contains("not run").all()


def test_the_flow_is_exact(demo: House) -> None:
    card = json.loads(
        (demo.root / "results/demo/cards/manifolds/digits/glow/test.json").read_text()
    )
    assert card["metrics"]["worst_error"] < 1e-4
    assert card["metrics"]["worst_error_of_mixtures"] < 1e-4
    flow = json.loads(
        (demo.root / "results/demo/cards/generators/digits/glow.json").read_text()
    )
    assert 0 < flow["metrics"]["bits_per_dimension"] < 4


@pytest.mark.parametrize(
    "path",
    [
        "papers/ijsat/table1.json",
        "papers/ijsat/table1.csv",
        "papers/ijsat/table1.html",
        "papers/ijsat/table1.png",
        "papers/ijsat/table1.tex",
        "papers/ijsat/figure2.png",
        "papers/ijsat/figure2.svg",
        "papers/ijsat/figure1.png",
        "papers/ijsat/figure4.png",
        "papers/ijsat/figure6.png",
        "papers/dmat/figure2.png",
        "manifolds/digits/sngan/test.latents.npy",
        "claims.json",
        "claims.csv",
        "index.html",
        "verdicts/digits/ijsat/jsa50.parquet",
        "checkpoints/defenses/digits/at.safetensors",
        "checkpoints/generators/digits/glow.safetensors",
        "cards/defenses/digits/at.json",
        "cards/defenses/digits/at.record.json",
    ],
)
def test_the_paths_that_others_rely_on(demo: House, path: str) -> None:
    assert (demo.root / "results/demo" / path).stat().st_size > 0


def test_a_card_tells_no_time_and_no_machine(demo: House) -> None:
    for path in demo.root.glob("results/demo/cards/**/*.json"):
        if not path.name.endswith(".record.json"):
            assert set(json.loads(path.read_text())) == {
                *("step", "spec", "code", "inputs", "outputs", "metrics")
            }
            assert str(demo.root) not in path.read_text()


def test_the_report_is_one_file_that_opens_offline(demo: House, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = demo.run("--report", str(report))
    assert done.returncode == 0, done.stderr
    text = report.read_text()
    outside = re.findall(r'(?:src|href)="(https?://[^"]+)"', text)
    assert [link for link in outside if "snakemake" not in link] == []
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', text)
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed, so the report was not opened")
    page = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--virtual-time-budget=10000", "--dump-dom", f"file://{report}"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    for word in ("all papers", "ijsat", "claims", "runs"):
        assert word in page
