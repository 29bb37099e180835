"""The example plugin, installed for real: used in a table, edited, moved, and removed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn
from workflow_house import DEMO, PROJECT, House

from pipeline_steps.core.card import read_card
from robust_papers import load_threat
from tests.plugin_toys import Environment

pytestmark = pytest.mark.xdist_group("workflow")

SOURCE = PROJECT / "tests/plugins/robust-papers-example"
# What the plugin's table asks for beyond a trained `normal` and its clean accuracy.
UNDER_RIPPLES = {
    "attack_defense digits normal ripple10",
    "attack_defense digits patches ripple10",
    "attack_defense digits half-ripple ripple10",
}
PATCHES = {
    "train_defense digits patches",
    "attack_defense digits patches clean",
    "attack_defense digits patches ripple10",
}
HALF = {
    "train_defense digits half-ripple",
    "attack_defense digits half-ripple clean",
    "attack_defense digits half-ripple ripple10",
}
TABLE = {"make_table example table1"}


def install(folder: Path) -> Path:
    """The example as pip installs it, into a folder of its own; it stays what it was."""
    source = shutil.copytree(SOURCE, folder / "source")
    site = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)]
    alone = ["--no-deps", "--no-build-isolation", "--no-index", str(source)]
    subprocess.run([*command, *alone], check=True)
    return site


GONE = (
    "error: workflow/config/own.yaml: line 1, plugins: the plugin 'example' is not "
    "installed; install it, or remove it from this list"
)
# What a Python that has no plugin any more loads of what one made.
LOAD = """
from pathlib import Path

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.release.loading import load_defense
from pipeline_steps.release.why import explain

for name in ("half-ripple", "patches"):
    try:
        print(type(load_defense(name, "digits", scale="demo")).__name__)
    except PipelineError as error:
        print(error)
explained = explain(Path.cwd(), "results/demo/verdicts/digits/normal/ripple10.parquet")
print(explained["steps"][0]["code"]["gone"])
"""


class WithPlugin(House):
    """A working copy in an environment that has what is installed in a folder."""

    site: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        paths = [str(self.site), os.environ.get("PYTHONPATH", "")]
        python_path = os.pathsep.join(filter(None, paths))
        return super().run(*arguments, PYTHONPATH=python_path, **environment)

    def planned(self, *arguments: str) -> set[str]:
        return super().planned(*arguments) - set(arguments)

    def python(self, *arguments: str) -> str:
        """What a Python of this copy says, without the plugin."""
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=self.root, capture_output=True, text=True, check=True
        ).stdout

    def rewrite(self, file: str, old: str, new: str) -> None:
        """Changes a text of the plugin, as it is installed."""
        path = self.site / "robust_papers_example" / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


def test_a_plugin_is_used_edited_moved_and_removed(
    tmp_path: Path, a_sentence: Callable[[str], str]
) -> None:
    house = WithPlugin.fresh(tmp_path / "house").tiny()
    house.site = tmp_path / "not-yet"
    page = {"ijsat": {"table1": {"defenses": ["normal"], "threats": ["clean"]}}}
    house.configure(DEMO, "pages", page)
    house.build("ijsat_table1")

    house.site = install(tmp_path)
    assert house.planned("ijsat_table1") == set()
    assert house.planned("example") == UNDER_RIPPLES | PATCHES | HALF | TABLE
    house.build("example")
    results = house.root / "results/demo"
    table = pd.read_csv(results / "papers/example/table1.csv")
    assert len(table) == 6
    assert table["measured"].between(0, 100).all()
    card = read_card(results / "cards/verdicts/digits/normal/ripple10.json")
    of_plugin = {n for n in card.code["modules"] if not n.startswith("pipeline_steps")}
    assert of_plugin == {
        "robust_papers_example",
        "robust_papers_example.perturbations",
        "robust_papers_example.perturbations.ripple",
        "robust_papers_example.waves",
    }

    house.rewrite("perturbations/ripple.py", "A wave of", "Some waves of")
    assert house.planned("example", "ijsat_table1") == set()
    house.rewrite("architectures/patch_net.py", "range(3)", "range(2)")
    assert house.planned("example", "ijsat_table1") == PATCHES | TABLE
    house.rewrite("architectures/patch_net.py", "range(2)", "range(3)")
    house.rewrite("recipes/half_adversarial.py", "Share = 0.5", "Share = 0.4")
    assert house.planned("example", "ijsat_table1") == HALF | TABLE
    house.rewrite("recipes/half_adversarial.py", "Share = 0.4", "Share = 0.5")
    house.rewrite("waves.py", "torch.sin", "torch.cos")
    assert house.planned("example", "ijsat_table1") == UNDER_RIPPLES | HALF | TABLE
    house.build("example")

    house.site = house.site.rename(tmp_path / "elsewhere")
    assert house.planned("example", "ijsat_table1") == set()

    own = house.root / "workflow/config/own.yaml"
    own.write_text("plugins: [example]\n")
    assert house.planned("example", "ijsat_table1") == set()
    shutil.rmtree(house.site)
    done = house.run("--dry-run", "ijsat_table1")
    assert done.returncode == 1
    assert a_sentence(done.stderr) == GONE
    own.unlink()
    assert house.planned("ijsat_table1") == set()
    done = house.run("--dry-run", "example_table1")
    assert done.returncode == 1
    assert "there is no target 'example_table1'" in done.stdout + done.stderr
    # Its recipe and its threat made these weights; to answer needs neither.
    assert house.python("-c", LOAD).splitlines() == [
        "SmallCnn",
        "the architecture 'patch_net' is of a plugin, and its package "
        "robust_papers_example is not installed; install it if you trust it, and load "
        "again",
        "the plugin's package robust_papers_example is not installed",
    ]


def test_a_threat_of_a_plugin_is_loaded_by_its_name(environment: Environment) -> None:
    package = SOURCE / "robust_papers_example"
    files = [path for path in package.rglob("*") if path.suffix in (".py", ".yaml")]
    environment.install(
        {str(path.relative_to(package)): path.read_text() for path in files},
        package.name,
    )
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    images, labels = torch.rand(4, 3, 32, 32), torch.arange(4)
    edit = load_threat("ripple10")(network, images, labels) - images
    assert 1e-3 < edit.abs().max() <= 2 * 8 / 255 + 1e-6


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (PROJECT / "docs/how-to/plugins.md").read_text()
    shown = {
        "pyproject.toml": "toml",
        "robust_papers_example/perturbations/ripple.py": "python",
        "robust_papers_example/config/threats.yaml": "yaml",
        "robust_papers_example/config/defenses.yaml": "yaml",
        "robust_papers_example/config/papers/example.yaml": "yaml",
    }
    for file, kind in shown.items():
        assert f"```{kind}\n{(SOURCE / file).read_text()}```" in page
    assert GONE in page
