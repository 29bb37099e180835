"""What dvc.yaml promises works: differences of numbers and curves, and files by name."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_steps.core.registry import ROOT

SUMMARY = "results/demo/summary.json"
TABLE = "results/demo/papers/ijsat/table1.csv"
HISTORY = "results/demo/cards/defenses/digits/{}.history.csv"
DEFENSES = ("normal", "at", "ijsat")
DECLARED = yaml.safe_load((ROOT / "dvc.yaml").read_text())
ARTIFACTS = DECLARED["artifacts"]


def accuracy(at: float) -> str:
    return json.dumps({"accuracy": {"digits": {"at": {"pgd20": at}}}})


@dataclass
class Repository:
    """A synthetic release around the real dvc.yaml."""

    root: Path

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *command: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            command, cwd=folder or self.root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dvc(self, *arguments: str, folder: Path | None = None) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments, folder=folder)

    def told(self, *arguments: str) -> Any:
        return json.loads(self.dvc(*arguments, "--json"))

    def release(self, version: str) -> None:
        """Every artifact's bytes say which version they are of."""
        for artifact in ARTIFACTS.values():
            file = "test.images.npy" if artifact["type"] == "dataset" else ""
            self.write(f"{artifact['path']}/{file}".rstrip("/"), version)
        self.dvc("add", "--no-relink", "results/demo/checkpoints", "data/digits")
        self.dvc("push")
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", version)
        for name in ARTIFACTS:
            self.run("git", "tag", "-a", f"{name}@{version}", "-m", "A release")

    def without_cache(self) -> None:
        for place in (".dvc/cache", "results/demo/checkpoints", "data/digits"):
            shutil.rmtree(self.root / place)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("release") / "project")
    repository.root.mkdir()
    repository.run("git", "init", "--quiet")
    repository.run("git", "config", "user.name", "A Tester")
    repository.run("git", "config", "user.email", "tester@example.org")
    repository.dvc("init", "--quiet")
    repository.dvc("config", "core.analytics", "false")
    repository.dvc("remote", "add", "--default", "folder", "../store")
    shutil.copy(ROOT / "dvc.yaml", repository.root)
    repository.write(SUMMARY, accuracy(74.95))
    repository.write(TABLE, "method,column,published,measured\nAT,PGD-20,49.85,74.95\n")
    for defense in DEFENSES:
        repository.write(HISTORY.format(defense), "epoch,loss\n1,2.5\n2,2.0\n")
    repository.release("v1.0.0")
    repository.write(SUMMARY, accuracy(76.5))
    repository.write(HISTORY.format("at"), "epoch,loss\n1,2.5\n2,1.5\n")
    repository.write(TABLE, "method,column,published,measured\nAT,PGD-20,49.85,76.5\n")
    repository.release("v1.1.0")
    return repository


def test_snakemake_alone_decides_what_runs() -> None:
    assert set(DECLARED) == {"metrics", "plots", "artifacts"}


def test_every_artifact_lies_where_dvc_keeps_bytes_and_says_what_it_is() -> None:
    for name, artifact in ARTIFACTS.items():
        assert artifact.keys() == {"path", "type", "desc", "labels"}, name
        assert artifact["path"].startswith(("results/demo/checkpoints/", "data/"))


def test_metrics_diff_tells_how_accuracy_changed(repository: Repository) -> None:
    shown = repository.told("metrics", "show")[""]["data"][SUMMARY]["data"]
    assert shown["accuracy"]["digits"]["at"]["pgd20"] == 76.5
    changed = repository.told("metrics", "diff", "at@v1.0.0")[SUMMARY]
    (change,) = changed.values()
    assert (change["old"], change["new"]) == (74.95, 76.5)
    assert change["diff"] == pytest.approx(1.55)


def test_plots_diff_shows_both_revisions(repository: Repository) -> None:
    plots = repository.told("plots", "diff", "at@v1.0.0", "HEAD")["data"]
    assert plots.keys() == {"training loss", "published against measured"}
    (curves,) = plots["training loss"]
    values = curves["content"]["data"]["values"]
    at = [value for value in values if value["filename"] == "at.history.csv"]
    last = {value["rev"]: value["loss"] for value in at if value["epoch"] == "2"}
    assert last == {"at@v1.0.0": "2.0", "HEAD": "1.5"}
    assert len(values) == 2 * 2 * len(DEFENSES)
    (cells,) = plots["published against measured"]
    measured = {v["rev"]: v["measured"] for v in cells["content"]["data"]["values"]}
    assert measured == {"at@v1.0.0": "74.95", "HEAD": "76.5"}


def test_plots_show_makes_a_page(repository: Repository, tmp_path: Path) -> None:
    repository.dvc("plots", "show", "--out", str(tmp_path))
    assert "training loss" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("name", "version"), [("at", "v1.0.0"), *((name, None) for name in ARTIFACTS)]
)
def test_an_artifact_is_got_by_name_and_version(
    repository: Repository, name: str, version: str | None, tmp_path: Path
) -> None:
    told = ["--rev", version] if version else []
    place, out = str(repository.root), tmp_path / "got"
    repository.dvc("artifacts", "get", place, name, "--out", str(out), *told)
    file = out / "test.images.npy" if out.is_dir() else out
    assert file.read_text() == (version or "v1.1.0")


def test_a_path_is_got_or_pulled_alone(repository: Repository, tmp_path: Path) -> None:
    copy = Repository(tmp_path / "here" / "project")
    shutil.copytree(repository.root.parent, copy.root.parent, symlinks=True)
    copy.without_cache()
    wanted, place = ARTIFACTS["at"]["path"], str(copy.root)
    copy.dvc("get", place, wanted, "--rev", "at@v1.0.0", folder=tmp_path)
    assert (tmp_path / Path(wanted).name).read_text() == "v1.0.0"
    copy.dvc("pull", wanted)
    here = list((copy.root / "results/demo/checkpoints").rglob("*.*"))
    assert here == [copy.root / wanted]
    assert here[0].read_text() == "v1.1.0"
