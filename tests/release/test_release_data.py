"""`make data NAME=…` builds one data set alone, and prints its card."""

import shutil
import subprocess
import sys

import pytest
from yaml_edits import set_key

from pipeline_steps.core.registry import ROOT
from pipeline_steps.release.data import build

PARTS = ("Snakefile", "pipeline_steps", "workflow", "profiles", "requirements.lock")
PARTS += ("environment.yml",)


@pytest.fixture
def project(tmp_path):
    for part in PARTS:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, tmp_path / part)
    return tmp_path


def told(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pipeline_steps.cli", "data", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_data_set_is_built_alone_and_its_card_printed(project):
    done = told(project, "digits")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "digits: 10 classes, uint8 of 3 x 16 x 16"
    assert "  train: 1,258 images" in lines
    assert "  test: 539 images" in lines
    assert "      0 0     125      53" in lines
    assert lines[-1] == "  data/cards/digits.json, data/sheets/digits.png"
    assert (project / "data/sheets/digits.png").is_file()
    assert not (project / "results/demo").exists()
    assert {p.name for p in (project / "data").iterdir()} == {
        *("cards", "digits", "logs", "sheets")
    }


def test_another_place_to_look_at_reruns_nothing(project, monkeypatch):
    card = build("digits", "demo", 1, project)
    assert card.metrics["names"] == [str(digit) for digit in range(10)]
    set_key(project / "workflow/config/datasets.yaml", "digits.places", ["/x"])
    monkeypatch.setenv("DATASETS_MIRROR", "/group/sets,https://127.0.0.1:9")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "data/sheets/digits.png"]
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=True
    )
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_wrong_name_is_one_sentence(project):
    done = told(project, "cifra10")
    assert (done.returncode, done.stdout) == (1, "")
    expected = "error: there is no data set 'cifra10'; did you mean 'cifar10'?\n"
    assert done.stderr == expected
    assert "valid: " in told(project, "").stderr


def test_what_the_step_said_is_what_the_user_reads(project):
    """Without network: a folder of nothing, and no other place."""
    set_key(project / "workflow/config/datasets.yaml", "cifar100.places", ["/none"])
    done = told(project, "cifar100")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "Traceback" not in done.stderr and len(lines) == 2
    assert lines[-1].startswith(
        "error: cifar100 is made of cifar-100-python.tar.gz (169,001,437 bytes), and "
    )
    assert lines[-1].endswith("into a folder and name that folder in DATASETS_MIRROR")
