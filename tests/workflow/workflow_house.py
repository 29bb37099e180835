"""A copy of the project in a folder of its own: build, change one thing, build again."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

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

# The same shape of work in a minute: for tests that must run jobs, not judge them.
TINY = {
    DEMO: [
        (r"  batch: 180", "  images: 40\n  batch: 20"),
        (r"epochs: \d+", "epochs: 1"),
        (r"snapshots: \d+", "snapshots: 1"),
        # Without GANs, whose training and projection would be most of the minute.
        (r"^    figure(1|6|8-cifar10|10|-interpolations|-projection): \{.*\n", ""),
        (r"^  (dmat|atld|jat):\n(    .*\n)+", ""),
        (r"drops: \[.*?\]", "drops: []"),
        (r"stand_ins:", "stand_ins:"),
    ],
    "workflow/config/threats.yaml": [(r"steps: (10|20|50)", "steps: 2")],
}


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
        for file, changes in TINY.items():
            for pattern, replacement in changes:
                self.edit(file, pattern, replacement, count=0)
        return self

    def of_ijsat(self) -> "House":
        """Its tables alone, for each paper trains defenses of its own; and half as long."""
        self.edit(DEMO, r"^  dmat:\n    table1:\n(      .*\n)+", "  dmat:\n")
        self.edit(DEMO, r"^  (atld|jat):\n(    .*\n)+", "", count=0)
        shorter = "ijsat: {epochs: 7, batch: 64, drops: [4, 6]}"
        self.edit(DEMO, r"ijsat: \{epochs: .*\}", shorter)
        self.edit(DEMO, r"iterations: \d+", "iterations: 20")
        return self

    def edit(self, file: str, pattern: str, replacement: str, count: int = 1) -> None:
        path = self.root / file
        text, found = re.subn(
            pattern, replacement, path.read_text(), count=count, flags=re.MULTILINE
        )
        assert found, f"{pattern} is not in {file}"
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
        told = done.stdout + done.stderr
        assert done.returncode == 0, told[-3000:]
        assert "missing metadata" not in told.lower()
        if "Nothing to be done" in told:
            return set()
        return jobs_in(told) - {"all"}


@dataclass
class TinyDemo(House):
    """The tiny demo as it was run, with links into Snakemake's cache."""

    cache: Path


def tiny_demo(factory: pytest.TempPathFactory) -> TinyDemo:
    """Made by the first worker that asks for it, for all of them; copy it to change it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    place, made = base / "tiny-demo", base / "tiny-demo.made"
    demo = TinyDemo(place / "house", place / "cache")
    with (base / "tiny-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(place, ignore_errors=True)
            demo.cache.mkdir(parents=True)
            house = House.fresh(demo.root).tiny()
            house.build("--cache", SNAKEMAKE_OUTPUT_CACHE=str(demo.cache))
            made.touch()
    return demo


def jobs_in(told: str) -> set[str]:
    """The jobs that Snakemake says it runs, or would run."""
    found = set()
    for block in re.split(r"\n(?=(?:local)?rule )", told):
        rule = re.match(r"(?:local)?rule (\w+):", block)
        if not rule:
            continue
        wildcards = re.search(r"^    wildcards: (.*)$", block, re.MULTILINE)
        pairs = wildcards.group(1).split(", ") if wildcards else []
        values = [p.split("=", 1)[1] for p in pairs if not p.startswith("scale=")]
        found.add(" ".join([rule.group(1), *values]))
    return found


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Each block of code of the page: the file that is named before it, kind, text."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    before = re.split(r"^```\w+\n.*?^```", page, flags=re.MULTILINE | re.DOTALL)
    named = [re.findall(r"`([\w./]+\.(?:py|yaml))`", text) for text in before]
    return [
        (names[-1] if names else "", *block)
        for names, block in zip(named, found, strict=False)
    ]
