"""What `pip install` brings works in an empty folder, far from any checkout."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import numpy as np
import pytest
import torch
from small_release import IMAGES, Release, small_release, trained

from pipeline_steps.config.load import load_config
from pipeline_steps.core.registry import ROOT

ADDRESS = re.compile(r'"https://\S+?"')


@dataclass(frozen=True)
class Installed:
    """A wheel in an environment that has its dependencies, and no checkout."""

    wheel: Path
    python: Path
    folder: Path
    """An empty one, in which everything runs."""

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [self.python, *command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={
                **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
                "XDG_CACHE_HOME": str(self.folder.parent / "cache"),
            },
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("wheel")
    before = set(os.listdir(ROOT))
    build = ["build", "--wheel", "--no-isolation", "--outdir", str(root), str(ROOT)]
    subprocess.run([sys.executable, "-m", *build], check=True, capture_output=True)
    assert set(os.listdir(ROOT)) == before, "the build left files in the checkout"
    (wheel,) = root.glob("*.whl")
    environment = root / "environment"
    venv = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(venv, check=True)
    python = environment / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    subprocess.run([*pip, "--quiet", str(wheel)], check=True, capture_output=True)
    # Packages of this environment, as if they were installed there; a path in such a file
    # is taken as it is, so that no checkout comes with it.
    (site,) = environment.glob("lib/*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    folder = root / "empty"
    folder.mkdir()
    return Installed(wheel, python, folder)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return small_release(tmp_path_factory.mktemp("release") / "project")


def test_the_wheel_holds_the_config_and_pins_nothing(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        fields = Parser().parsestr(wheel.read(metadata).decode())
    config = ROOT / "workflow/config"
    ours = {path.relative_to(config).as_posix() for path in config.rglob("*.yaml")}
    ours.discard("own.yaml")
    assert {f"pipeline_steps/workflow_config/{name}" for name in ours} <= names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)
    requirements = fields.get_all("Requires-Dist") or []
    assert any(name.startswith("pyyaml") for name in map(str.lower, requirements))
    assert not [r for r in requirements if "==" in r.partition(";")[0]]


def test_the_config_of_the_wheel_is_that_of_the_checkout(installed: Installed) -> None:
    code = (
        "import pipeline_steps\n"
        "from pipeline_steps.config.load import load_config, scales\n"
        "print(pipeline_steps.__file__, *scales())\n"
        "print(load_config('paper').model_dump_json())"
    )
    first, config = installed.run("-c", code).strip().split("\n")
    assert not first.startswith(str(ROOT))
    assert config == load_config("paper").model_dump_json()


@pytest.mark.parametrize("page", ["README.md", "docs/reference/python.md"])
def test_the_lines_of_a_page_run(
    installed: Installed, release: Release, page: str
) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    code, addresses = ADDRESS.subn(repr(str(release.root)), "\n".join(blocks))
    assert addresses
    installed.run("-c", code)


def test_a_released_model_answers_as_it_was_trained(
    installed: Installed, release: Release
) -> None:
    code = (
        "import torch\n"
        "from robust_papers import load_defense\n"
        f"model = load_defense('at', 'digits', repository={str(release.root)!r})\n"
        "images = torch.rand(4, 3, 8, 8, generator=torch.manual_seed(0))\n"
        "torch.save(model(images).detach(), 'logits.pt')"
    )
    installed.run("-c", code)
    logits = torch.load(installed.folder / "logits.pt", weights_only=True)
    assert torch.equal(logits, trained(2)(IMAGES))


def test_the_command_lists_what_there_is(installed: Installed) -> None:
    command = str(installed.python.with_name("robust-papers"))
    lines = installed.run(command, "list", "papers").splitlines()
    titles = {name: paper.title for name, paper in load_config("demo").papers.items()}
    assert {line.split()[1]: line.split(maxsplit=2)[2] for line in lines} == titles


def test_the_command_says_what_needs_a_checkout(installed: Installed) -> None:
    command = str(installed.python.with_name("robust-papers"))
    done = subprocess.run(
        [installed.python, command, "why", "results/demo/papers/ijsat/table1.csv"],
        cwd=installed.folder,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.stderr == (
        f"error: `robust-papers why` works in a checkout of the project, and "
        f"{installed.folder} is none; cd into yours, or get one with git clone\n"
    )


def test_the_command_evaluates_a_model_of_torchvision(installed: Installed) -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.savez(installed.folder / "data.npz", images=images, labels=np.arange(4))
    command = str(installed.python.with_name("robust-papers"))
    words = "evaluate torchvision.models:resnet18 data.npz --threat pgd5 --json"
    words += " --argument num_classes=4 --mean 0.5,0.5,0.5 --std 0.2,0.2,0.2"
    out = installed.run(command, *words.split())
    rows = json.loads(out)["threats"]
    assert [row["threat"] for row in rows] == ["clean", "pgd5", "worst case"]
    assert {row["images"] for row in rows} == {4}
