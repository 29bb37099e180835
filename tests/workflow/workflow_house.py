"""A copy of the project in a folder of its own: build, change one thing, build again."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from yaml_edits import GONE, set_key

PROJECT = Path(__file__).parents[2]
PARTS = (
    "Snakefile",
    "Makefile",
    "environment.yml",
    "requirements.lock",
    "pyproject.toml",
    "pipeline_steps",
    "workflow",
    "profiles",
    "slurm",
    "docs",
)

DEMO = "workflow/config/scales/demo.yaml"

TINY = PROJECT / "tests/scales/tiny.yaml"


@dataclass
class House:
    """A working copy with its own results."""

    root: Path

    @classmethod
    def fresh(cls, root: Path) -> "House":
        root.mkdir(parents=True)
        ignored = shutil.ignore_patterns("__pycache__")
        for part in PARTS:
            source = PROJECT / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=ignored)
            else:
                shutil.copy2(source, root / part)
        return cls(root)

    def copy(self, root: Path) -> "House":
        """The same files with the same times."""
        shutil.copytree(self.root, root, symlinks=True)
        return House(root)

    def tiny(self) -> "House":
        """The tiny scale takes the demo's place, and so its name."""
        shutil.copy2(TINY, self.root / DEMO)
        return self

    def of_ijsat(self) -> "House":
        """Its tables alone, for each paper trains defenses of its own; and half as long."""
        for page in ("dmat.table1", "atld", "jat"):
            self.configure(DEMO, f"pages.{page}", GONE)
        shorter = {"epochs": 7, "batch": 64, "drops": [4, 6]}
        self.configure(DEMO, "overrides.defenses.schedules.ijsat", shorter)
        for gan in ("stylegan", "sngan"):
            self.configure(
                DEMO, f"overrides.generators.{gan}.projection.iterations", 20
            )
        return self

    def configure(self, file: str, key: str, value: Any) -> None:
        """Sets one value of a config file by its dotted key; GONE takes it away."""
        set_key(self.root / file, key, value)

    def edit(self, file: str, pattern: str, replacement: str) -> None:
        """Changes the text of a file once; for the config there is `configure`."""
        path = self.root / file
        text, changes = re.subn(
            pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE
        )
        assert changes, f"{pattern} is not in {file}"
        path.write_text(text)

    def append(self, file: str, text: str) -> None:
        path = self.root / file
        path.write_text(path.read_text() + text)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | environment,
        )

    def build(self, *arguments: str, **environment: str) -> None:
        done = self.run("--cores", "2", *arguments, **environment)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def planned(self, *arguments: str) -> set[str]:
        """The jobs that a dry run plans, each as its rule and its wildcards' values."""
        done = self.run("--dry-run", *arguments)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
        assert "missing metadata" not in said.lower()
        if "Nothing to be done" in said:
            return set()
        return jobs_in(said) - {"all"}


@dataclass
class TinyDemo(House):
    """The tiny demo as it was run, with links into Snakemake's cache."""

    cache: Path


def tiny_demo(factory: pytest.TempPathFactory) -> TinyDemo:
    """Made by the first worker that asks for it, for all of them; copy it to change it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, made = base / "tiny-demo", base / "tiny-demo.made"
    demo = TinyDemo(folder / "house", folder / "cache")
    with (base / "tiny-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            demo.cache.mkdir(parents=True)
            house = House.fresh(demo.root).tiny()
            house.build("--cache", SNAKEMAKE_OUTPUT_CACHE=str(demo.cache))
            made.touch()
    return demo


def jobs_in(said: str) -> set[str]:
    """The jobs that Snakemake says it runs, or would run."""
    jobs = set()
    for block in re.split(r"\n(?=(?:local)?rule )", said):
        rule = re.match(r"(?:local)?rule (\w+):", block)
        if not rule:
            continue
        wildcards = re.search(r"^    wildcards: (.*)$", block, re.MULTILINE)
        pairs = wildcards.group(1).split(", ") if wildcards else []
        values = [p.split("=", 1)[1] for p in pairs if not p.startswith("scale=")]
        jobs.add(" ".join([rule.group(1), *values]))
    return jobs


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Each block of code of the page: the file that is named before it, kind, text."""
    code = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    before = re.split(r"^```\w+\n.*?^```", page, flags=re.MULTILINE | re.DOTALL)
    named = [re.findall(r"`([\w./]+\.(?:py|yaml))`", text) for text in before]
    return [
        (names[-1] if names else "", *block)
        for names, block in zip(named, code, strict=False)
    ]
