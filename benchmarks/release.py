"""Publish and pull beside plain DVC and Git, on the same files: how much the checks cost.

python -m benchmarks.release [--repeats 3] [--folder FOLDER]

Two synthetic releases, whose cards are true: 1,000 small files, and 2 GiB in four files.
Each is published and pulled by us and by `dvc add --no-relink`, `dvc push`, `git commit`
and `dvc pull`, in turn. Snakemake's own dry run, which plain DVC has no part of, is timed
apart, in the same checkout.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.registry import ROOT

PARTS = ("Snakefile", "pipeline_steps", "workflow", "profiles", "requirements.lock")
PARTS += ("environment.yml", "dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config")
VERDICTS = Path("results/demo/verdicts/synthetic")
RELEASES = {"1,000 small files": (1000, 20_000), "2 GiB in four files": (4, 2**29)}


def checkout(root: Path, files: int, size: int) -> None:
    """A checkout in which so many files of that size wait to be published."""
    for part in PARTS:
        source, place = ROOT / part, root / part
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copy(source, place)
    (root / "data/cards").mkdir(parents=True)
    (root / "data/cards/.keep").touch()
    run(root, "git", "init", "--quiet")
    commit(root)
    for number in range(files):
        place = root / VERDICTS / f"{number}.bin"
        card = root / "results/demo/cards/verdicts/synthetic" / f"{number}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.urandom(min(size, 2**20)) * max(1, size // 2**20))
        facts = {"verdicts": file_facts(place)}
        Card("synthetic", {}, {}, {}, facts).seen_from(card.parent).write(card)
    os.sync()


def commit(root: Path) -> None:
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", "The benchmark")


def run(root: Path, *command: str) -> None:
    who = {f"GIT_{who}_{what}": "benchmark" for who in ("AUTHOR", "COMMITTER")
           for what in ("NAME", "EMAIL")}  # fmt: skip
    memory = {"DVC_SITE_CACHE_DIR": str(root.parent / "memory" / root.name)}
    command = (sys.executable, *command) if command[0] == "-m" else command
    subprocess.run(
        command,
        cwd=root,
        check=True,
        env=os.environ | who | memory,
        capture_output=True,
    )


def release(step: str) -> Callable[[Path], None]:
    """Our command, with a planner that has nothing to say: it is timed apart."""
    told = f"from pipeline_steps.release import {step} as m; from pathlib import Path; "
    told += "m.Checkout.planned = lambda self, scale: []; "
    return lambda root: run(root, sys.executable, "-c", f"{told}m.{step}(Path.cwd())")


def plain_publish(root: Path) -> None:
    run(root, "-m", "dvc", "add", "--no-relink", "results/demo/verdicts")
    run(root, "-m", "dvc", "push")
    commit(root)


def plain_pull(root: Path) -> None:
    run(root, "-m", "dvc", "pull")


def plan(root: Path) -> None:
    run(root, "-m", "snakemake", "--dry-run", "--quiet")


def timed(work: Callable[[Path], None], root: Path) -> float:
    begin = time.perf_counter()
    work(root)
    return time.perf_counter() - begin


def measure(folder: Path, files: int, size: int, ours_first: bool) -> dict[str, float]:
    """One round: both ways of publishing and pulling, each from the same start."""
    times = {}
    ways = [
        ("ours", release("publish"), release("pull")),
        ("plain", plain_publish, plain_pull),
    ]
    for way, publish, pull in ways if ours_first else reversed(ways):
        place = folder / way
        checkout(place / "first", files, size)
        times[f"publish, {way}"] = timed(publish, place / "first")
        os.sync()
        run(place, "git", "clone", "--quiet", "first", "clone")
        times[f"pull, {way}"] = timed(pull, place / "clone")
        if way == "ours":
            times["snakemake -n"] = timed(plan, place / "clone")
        shutil.rmtree(place)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; 8 GiB must be free")
    told = parser.parse_args()
    for name, (files, size) in RELEASES.items():
        rounds = []
        for number in range(told.repeats):
            with tempfile.TemporaryDirectory(dir=told.folder) as folder:
                rounds.append(measure(Path(folder), files, size, number % 2 == 0))
        median = {
            what: statistics.median(r[what] for r in rounds) for what in rounds[0]
        }
        print(f"{name}: snakemake -n {median['snakemake -n']:.2f} s")
        for what in ("publish", "pull"):
            ours, plain = median[f"{what}, ours"], median[f"{what}, plain"]
            print(
                f"  {what}: {ours:.2f} s, plain {plain:.2f} s, ratio {ours / plain:.2f}"
            )


if __name__ == "__main__":
    main()
